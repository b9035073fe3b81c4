"""Finding what somebody means by a few letters of its name."""

WORD_START = 8.0
NEXT_LETTER = 8.0
GAP = 0.1


def fuzzy_score(wanted: str, text: str) -> float | None:
    """Return how well ``text`` fits the letters of ``wanted``, in their order; ``None`` if some are missing.

    Letters at the start of a word and letters that follow each other count most; among equals the shorter text wins.
    """
    letters, name = wanted.casefold().replace(" ", ""), text.casefold()
    best = None
    # A later first letter may lead to a better fit: "st" means "Stop" in "Test, stop".
    for start in [place for place, letter in enumerate(name) if letters[:1] == letter] if letters else [0]:
        score = _from(letters, name, start)
        if score is not None and (best is None or score > best):
            best = score
    return None if best is None else best - len(name) * 0.01


def _from(letters: str, name: str, start: int) -> float | None:
    score, place, before = 0.0, start, -2
    for letter in letters:
        found = name.find(letter, place)
        if found < 0:
            return None
        if found == 0 or not name[found - 1].isalnum():
            score += WORD_START
        elif found == before + 1:
            score += NEXT_LETTER
        score -= GAP * (found - place)
        before, place = found, found + 1
    return score
