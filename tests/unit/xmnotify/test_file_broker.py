"""Messages in files: taken while others are being put there."""

from threading import Thread

import pytest
from kombu import Connection

from tests import waiting
from xmnotify.celery import app

COUNT = 1000


@pytest.fixture
def connect(tmp_path):
    folder = tmp_path / "queue"
    folder.mkdir()
    options = {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(tmp_path / "control"),
        "polling_interval": 0.0,
    }
    assert app
    return lambda: Connection("filesystem://localhost", transport_options=options)


def test_a_message_is_never_taken_before_it_is_whole(connect):
    def put():
        with connect() as line:
            producer = line.Producer(auto_declare=False)
            for number in range(COUNT):
                producer.publish({"number": number}, exchange="", routing_key="drain")

    taken = []
    with connect() as line, line.SimpleQueue("drain") as queue:
        writer = Thread(target=put)
        writer.start()
        while len(taken) < COUNT:
            message = queue.get(timeout=waiting.PATIENCE)
            taken.append(message.payload["number"])
            message.ack()
    writer.join()
    assert sorted(taken) == list(range(COUNT))
