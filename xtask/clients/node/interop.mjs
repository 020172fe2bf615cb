// Tidewire's broker as MQTT.js sees it: `interop.mjs HOST PORT`.
import mqtt from "mqtt";

const PATIENCE = 10_000; // milliseconds until an event that has not come is taken for lost
const [host, port] = process.argv.slice(2);

/** A connected client whose messages wait in a queue. */
class Client {
  #messages = [];
  #waiting = [];

  static async open(clientId, protocolVersion, options = {}) {
    const client = new Client();
    client.mqtt = mqtt.connect({
      host, port: Number(port), protocol: "mqtt", clientId, protocolVersion,
      clean: true, reconnectPeriod: 0, connectTimeout: PATIENCE, ...options,
    });
    // Messages may come right behind CONNACK, so they are listened for before it.
    client.mqtt.on("message", (topic, payload, packet) => {
      const message = { topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain, packet };
      const taker = client.#waiting.shift();
      if (taker) taker(message);
      else client.#messages.push(message);
    });
    await inTime("CONNACK", new Promise((resolve, reject) => {
      client.mqtt.once("connect", resolve);
      client.mqtt.on("error", reject);
    }));
    return client;
  }

  next() {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift());
    return inTime("a message", new Promise((taker) => this.#waiting.push(taker)));
  }

  async subscribe(filter, qos) {
    const [grant] = await inTime("SUBACK", this.mqtt.subscribeAsync(filter, { qos }));
    equal(grant.qos, qos);
  }

  publish(topic, payload, options = { qos: 1 }) {
    return inTime("an acknowledgement", this.mqtt.publishAsync(topic, payload, options));
  }

  close() {
    return inTime("the end", this.mqtt.endAsync());
  }

  /** Closes without DISCONNECT. */
  cut() {
    this.mqtt.stream.destroy();
  }
}

function inTime(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function equal(got, expected) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)];
  if (a !== b) throw new Error(`got ${a}, expected ${b}`);
}

async function roundTrip(version, prefix) {
  const subscriber = await Client.open(`${prefix}sub`, version);
  const publisher = await Client.open(`${prefix}pub`, version);
  await subscriber.subscribe(`${prefix}#`, 2);
  for (const qos of [0, 1, 2]) {
    await publisher.publish(`${prefix}${qos}`, `payload ${qos}`, { qos });
    const { topic, payload, qos: got, retain } = await subscriber.next();
    equal([topic, payload, got, retain], [`${prefix}${qos}`, `payload ${qos}`, qos, false]);
  }
  await Promise.all([subscriber.close(), publisher.close()]);
}

async function many(version, prefix) {
  const client = await Client.open(`${prefix}a`, version);
  await client.subscribe(`${prefix}t`, 1);
  const acknowledged = [];
  for (let number = 0; number < 300; number++) {
    acknowledged.push(client.publish(`${prefix}t`, String(number)));
  }
  await Promise.all(acknowledged);
  for (let number = 0; number < 300; number++) equal((await client.next()).payload, String(number));
  await client.close();
}

async function retained(version, prefix) {
  const publisher = await Client.open(`${prefix}pub`, version);
  await publisher.publish(`${prefix}t`, "kept", { qos: 1, retain: true });
  const subscriber = await Client.open(`${prefix}sub`, version);
  await subscriber.subscribe(`${prefix}t`, 1);
  const { payload, retain } = await subscriber.next();
  equal([payload, retain], ["kept", true]);
  await publisher.publish(`${prefix}t`, "", { qos: 1, retain: true });
  equal((await subscriber.next()).payload, "");
  await publisher.subscribe(`${prefix}t`, 0);
  await publisher.publish(`${prefix}t`, "after");
  equal((await publisher.next()).payload, "after");
  await Promise.all([subscriber.close(), publisher.close()]);
}

async function will(version, prefix) {
  const subscriber = await Client.open(`${prefix}sub`, version);
  await subscriber.subscribe(`${prefix}will`, 1);
  const gone = await Client.open(`${prefix}gone`, version, {
    will: { topic: `${prefix}will`, payload: Buffer.from("gone"), qos: 1, retain: false },
  });
  gone.cut();
  equal((await subscriber.next()).payload, "gone");
  await subscriber.close();
}

async function session(version, prefix) {
  const options = { clean: false, ...(version === 5 && { properties: { sessionExpiryInterval: 60 } }) };
  const before = await Client.open(`${prefix}sub`, version, options);
  await before.subscribe(`${prefix}t`, 1);
  await before.close();
  const publisher = await Client.open(`${prefix}pub`, version);
  await publisher.publish(`${prefix}t`, "while you were away");
  await publisher.close();
  const after = await Client.open(`${prefix}sub`, version, options);
  equal((await after.next()).payload, "while you were away");
  await after.close();
  await (await Client.open(`${prefix}sub`, version)).close(); // without a session behind it
}

async function properties(version, prefix) {
  if (version !== 5) return;
  const client = await Client.open(`${prefix}a`, version);
  await client.subscribe(`${prefix}t`, 1);
  const sent = { contentType: "text/plain", responseTopic: "r", userProperties: { k: ["1", "2"] } };
  await client.publish(`${prefix}t`, "x", { qos: 1, properties: sent });
  const got = (await client.next()).packet.properties;
  equal([got.contentType, got.responseTopic, got.userProperties], ["text/plain", "r", { k: ["1", "2"] }]);
  await client.close();
}

let passed = 0;
let failed = 0;
for (const [version, name] of [[4, "3.1.1"], [5, "5.0"]]) {
  for (const check of [roundTrip, many, retained, will, session, properties]) {
    try {
      await check(version, `js${name}/${check.name}/`);
      passed++;
    } catch (error) {
      failed++;
      console.log(`${check.name}, ${name}: ${error.stack}`);
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
