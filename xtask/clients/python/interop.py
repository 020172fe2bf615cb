"""Tidewire's broker as Eclipse Paho's Python client sees it: `interop.py HOST PORT`."""

import queue
import sys
import traceback

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE = 10  # seconds until an event that has not come is taken for lost


class Client:
    """A connected client whose events wait in queues."""

    def __init__(self, broker, name, version, will=None):
        self.connected = queue.Queue()
        self.subscribed = queue.Queue()
        self.messages = queue.Queue()
        self.disconnected = queue.Queue()
        arguments = {"clean_session": True} if version != mqtt.MQTTv5 else {}
        self.paho = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=version, **arguments)
        self.paho.on_connect = lambda _c, _u, _f, reason, _p: self.connected.put(reason)
        self.paho.on_subscribe = lambda _c, _u, _m, reasons, _p: self.subscribed.put(reasons)
        self.paho.on_message = lambda _c, _u, message: self.messages.put(message)
        self.paho.on_disconnect = lambda _c, _u, _f, reason, _p: self.disconnected.put(reason)
        if will:
            self.paho.will_set(*will)
        self.paho.connect(*broker)
        self.paho.loop_start()
        reason = self.connected.get(timeout=PATIENCE)
        assert not reason.is_failure, f"CONNACK {reason}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.paho.disconnect()
        self.disconnected.get(timeout=PATIENCE)
        self.paho.loop_stop()

    def subscribe(self, topic_filter, qos):
        self.paho.subscribe(topic_filter, qos)
        reasons = self.subscribed.get(timeout=PATIENCE)
        assert [reason.value for reason in reasons] == [qos], f"SUBACK {reasons}"

    def publish(self, topic, payload, qos=1, retain=False, properties=None):
        published = self.paho.publish(topic, payload, qos, retain, properties)
        published.wait_for_publish(PATIENCE)
        assert published.is_published(), f"{topic} was not acknowledged"

    def next(self):
        return self.messages.get(timeout=PATIENCE)

    def cut(self):
        """Closes without DISCONNECT."""
        self.paho.loop_stop()
        self.paho.socket().close()


def round_trip(broker, version, prefix):
    with Client(broker, prefix + "sub", version) as subscriber, Client(broker, prefix + "pub", version) as publisher:
        subscriber.subscribe(prefix + "#", 2)
        for qos in (0, 1, 2):
            publisher.publish(f"{prefix}qos/{qos}", f"payload {qos}", qos)
            message = subscriber.next()
            got = (message.topic, message.payload, message.qos, bool(message.retain))
            assert got == (f"{prefix}qos/{qos}", f"payload {qos}".encode(), qos, False), got


def granted(broker, version, prefix):
    with Client(broker, prefix + "a", version) as client:
        for qos in (0, 1, 2):
            client.subscribe(f"{prefix}{qos}", qos)
            client.publish(f"{prefix}{qos}", "x", 2)
            assert client.next().qos == qos


def large(broker, version, prefix):
    payload = bytes(range(256)) * 2000
    with Client(broker, prefix + "a", version) as client:
        client.subscribe(prefix + "t", 1)
        client.publish(prefix + "t", payload)
        assert client.next().payload == payload


def many(broker, version, prefix):
    with Client(broker, prefix + "a", version) as client:
        client.subscribe(prefix + "t", 2)
        for number in range(300):
            client.paho.publish(prefix + "t", str(number), number % 3)
        got = [int(client.next().payload) for _ in range(300)]
        for qos in (0, 1, 2):
            in_order = [number for number in got if number % 3 == qos]
            assert in_order == list(range(qos, 300, 3)), in_order


def retained(broker, version, prefix):
    topic = prefix + "kept"
    with Client(broker, prefix + "pub", version) as publisher:
        publisher.publish(topic, "kept", retain=True)
        with Client(broker, prefix + "sub", version) as subscriber:
            subscriber.subscribe(topic, 1)
            message = subscriber.next()
            assert (message.payload, bool(message.retain)) == (b"kept", True)
        publisher.publish(topic, "", retain=True)
        publisher.subscribe(topic, 1)
        publisher.publish(topic, "after")
        message = publisher.next()
        assert (message.payload, bool(message.retain)) == (b"after", False)


def will(broker, version, prefix):
    with Client(broker, prefix + "sub", version) as subscriber:
        subscriber.subscribe(prefix + "will", 1)
        Client(broker, prefix + "gone", version, (prefix + "will", "gone", 1)).cut()
        assert subscriber.next().payload == b"gone"
        with Client(broker, prefix + "polite", version, (prefix + "will", "wrong", 1)):
            pass
        subscriber.publish(prefix + "will", "last")
        assert subscriber.next().payload == b"last"


def properties(broker, version, prefix):
    if version != mqtt.MQTTv5:
        return
    sent = Properties(PacketTypes.PUBLISH)
    sent.UserProperty = [("b", "2"), ("a", "1")]
    sent.ContentType = "text/plain"
    sent.CorrelationData = b"\x00\xff"
    sent.MessageExpiryInterval = 100
    with Client(broker, prefix + "a", version) as client:
        client.subscribe(prefix + "t", 1)
        client.publish(prefix + "t", "x", properties=sent)
        got = client.next().properties
        assert got.UserProperty == sent.UserProperty, got
        assert (got.ContentType, got.CorrelationData) == (sent.ContentType, sent.CorrelationData), got
        assert got.MessageExpiryInterval <= 100, got


def main():
    broker = (sys.argv[1], int(sys.argv[2]))
    passed = failed = 0
    for version, name in ((mqtt.MQTTv311, "3.1.1"), (mqtt.MQTTv5, "5.0")):
        for check in (round_trip, granted, large, many, retained, will, properties):
            try:
                check(broker, version, f"paho{name}/{check.__name__}/")
                passed += 1
            except Exception:  # whatever went wrong, the others are to run
                failed += 1
                print(f"{check.__name__}, {name}:")
                traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
