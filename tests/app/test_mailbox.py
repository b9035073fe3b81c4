import random
import threading

from app.jobs.mailbox import Mailbox
from ptycho_engine.documents import Rectangle
from ptycho_engine.events import CanvasUpdated, EngineEvent, LossMeasured, MessageLogged, StepDone
from tests.app.samples import canvas_updated, loss_measured, step_done


def test_only_the_newest_of_a_latest_class_waits() -> None:
    mailbox: Mailbox[EngineEvent] = Mailbox()
    for step in range(1000):
        mailbox.put(step_done(step))
    assert mailbox.take(10) == (step_done(999),)
    assert not mailbox


def test_every_event_of_an_every_class_arrives_in_order() -> None:
    mailbox: Mailbox[EngineEvent] = Mailbox()
    sent = [loss_measured(step) for step in range(100)]
    for event in sent:
        mailbox.put(event)
    assert list(mailbox.take(1000)) == sent


def test_events_come_in_the_order_of_their_last_putting() -> None:
    mailbox: Mailbox[EngineEvent] = Mailbox()
    for event in (step_done(1), loss_measured(1), canvas_updated(1), step_done(2), loss_measured(2)):
        mailbox.put(event)
    assert [type(event) for event in mailbox.take(10)] == [LossMeasured, CanvasUpdated, StepDone, LossMeasured]


def test_a_portion_is_bounded_but_never_without_the_newest_picture() -> None:
    mailbox: Mailbox[EngineEvent] = Mailbox()
    for step in range(25):
        mailbox.put(loss_measured(step))
    mailbox.put(canvas_updated(3))
    first = mailbox.take(10)
    assert [type(event) for event in first] == [LossMeasured] * 10 + [CanvasUpdated]
    assert len(mailbox.take(10)) == 10
    assert mailbox
    assert len(mailbox.take(10)) == 5
    assert not mailbox


def test_the_damage_of_a_canvas_that_nobody_saw_adds_up() -> None:
    mailbox: Mailbox[EngineEvent] = Mailbox()
    mailbox.put(canvas_updated(1, damage=(2, 3, 4, 5)))
    mailbox.put(canvas_updated(2, damage=(0, 6, 3, 8)))
    (event,) = mailbox.take(1)
    assert isinstance(event, CanvasUpdated)
    assert event.n_done == 2
    assert event.damage == Rectangle(0, 3, 6, 11)


def test_the_first_put_into_an_empty_mailbox_asks_for_a_wake_up() -> None:
    mailbox: Mailbox[EngineEvent] = Mailbox()
    assert mailbox.put(step_done(1))
    assert not mailbox.put(step_done(2))
    assert not mailbox.put(MessageLogged("info", "x"))
    mailbox.take(10)
    assert mailbox.put(step_done(3))


def test_nothing_is_lost_or_disordered_between_two_threads() -> None:
    mailbox: Mailbox[EngineEvent] = Mailbox()
    chance = random.Random(3)
    sent: list[EngineEvent] = [
        loss_measured(number) if chance.random() < 0.5 else step_done(number) for number in range(4000)
    ]

    def put_all() -> None:
        for event in sent:
            mailbox.put(event)

    putting = threading.Thread(target=put_all)
    putting.start()
    received: list[EngineEvent] = []
    while putting.is_alive() or mailbox:
        received.extend(mailbox.take(7))
    putting.join()
    losses = [event for event in received if isinstance(event, LossMeasured)]
    steps = [event.step for event in received if isinstance(event, StepDone)]
    assert losses == [event for event in sent if isinstance(event, LossMeasured)]
    assert steps == sorted(steps)
    assert steps[-1] == max(event.step for event in sent if isinstance(event, StepDone))
