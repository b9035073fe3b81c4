"""A pickle is followed, not obeyed: what it names, what it would have called, and with what."""

import json
import pickle
from pathlib import Path

import pytest

from ptycho_engine.bundles.safety import safety_report
from ptycho_engine.bundles.trace import trace_pickle
from ptycho_engine.cli import main
from tests.helpers.hostile_bundles import RUN, members, named_call, packed, stored


def test_calls_are_told_with_name_arguments_and_place() -> None:
    trace = trace_pickle(named_call("os", "system", RUN), member="m")
    assert [(each.name, each.offset, each.known, each.n_calls) for each in trace.globals] == [
        ("os.system", 2, False, 1)
    ]
    assert [(call.name, call.arguments) for call in trace.would_run] == [("os.system", f"('{RUN}')")]
    assert trace.listing[1] == "      2  GLOBAL  <os.system>"
    assert trace.listing[-1].split() == [str(trace.would_run[0].offset), "REDUCE"]


def test_it_goes_on_behind_the_first_call() -> None:
    data = b"\x80\x02](cos\nsystem\nX\x01\x00\x00\x00a\x85Rcbuiltins\neval\nX\x01\x00\x00\x00b\x85Re."
    assert [call.name for call in trace_pickle(data, member="m").would_run] == ["os.system", "builtins.eval"]


def test_a_call_of_what_a_call_gave_is_a_call_of_unknown_code() -> None:
    data = b"\x80\x02ccollections\nOrderedDict\n)R)R."
    trace = trace_pickle(data, member="m")
    assert [call.name for call in trace.would_run] == ["result of collections.OrderedDict"]


def test_a_dotted_name_that_reads_like_a_known_one_is_not_known() -> None:
    data = b"\x80\x04\x8c\x05numpy\x8c\x16core.multiarray.scalar\x93)R."
    trace = trace_pickle(data, member="m")
    assert not trace.globals[0].known
    assert trace.would_run[0].name == "numpy.core.multiarray.scalar"


@pytest.mark.parametrize("code", [b"\x82\x01", b"\x96" + bytes(8), b"\x97", b"N2", b"P1\n", b"NQ"])
def test_odd_instructions_are_told(code: bytes) -> None:
    trace = trace_pickle(b"\x80\x05" + code + b".", member="m")
    assert trace.odd
    assert not trace.is_plain


@pytest.mark.parametrize("data", [b"", b"\x80\x02", b"\x80\x02\xff.", b"\x80\x02R.", b"\x80\x02X\xff\xff\xff\xff."])
def test_what_cannot_be_followed_is_said(data: bytes) -> None:
    trace = trace_pickle(data, member="m")
    assert trace.problem
    assert not trace.is_plain


def test_pickles_behind_each_other_are_all_followed(tmp_path: Path) -> None:
    # As torch saved before 1.6; whoever reads only the first sees nothing.
    path = tmp_path / "old.pth"
    path.write_bytes(pickle.dumps(1, 2) + pickle.dumps(2, 2) + named_call("os", "system", RUN))
    report = safety_report(path)
    assert [trace.member for trace in report.pickles] == ["old.pth", "old.pth (pickle 2)", "old.pth (pickle 3)"]
    assert [trace.is_plain for trace in report.pickles] == [True, True, False]


def test_a_sound_bundle_names_only_what_is_known(tmp_path: Path) -> None:
    report = safety_report(stored(tmp_path, packed(members())))
    assert report.is_plain
    names = {each.name for trace in report.pickles for each in trace.globals}
    assert names == {"collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch.FloatStorage"}


def test_members_that_cannot_be_looked_into_are_named(tmp_path: Path) -> None:
    path = stored(tmp_path, packed(members() | {"../up.pkl": named_call("os", "system", RUN)}))
    report = safety_report(path)
    assert [name for name, _ in report.unread] == ["../up.pkl"]
    assert not report.is_plain
    assert len(report.pickles) == 3


def test_inspect_shows_the_report_of_a_refused_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = members() | {"manifest.dill": named_call("os", "system", RUN)}
    path = str(stored(tmp_path, packed(content)))
    assert main(["inspect", "--safety", path]) == 3
    told = capsys.readouterr()
    assert "would run os.system('touch CANARY')" in told.out
    assert "GLOBAL  <os.system>" in told.out
    assert main(["inspect", "--safety", "--json", path]) == 3
    error, safety, _ = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (error["event"], safety["event"], safety["is_plain"]) == ("error", "safety", False)
    assert safety["pickles"][0]["would_run"][0]["name"] == "os.system"
    assert main(["inspect", "--safety", str(tmp_path / "missing")]) == 3
    assert list(tmp_path.iterdir()) == [tmp_path / "wts.h5.zip"]
