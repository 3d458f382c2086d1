// node chat.mjs chat <url> <package> <mode>
//
// The events of the chat example, exactly, between two clients in Node. Reports like run.mjs.

import { load } from "./client.mjs";
import { collect, equal, next, runAll } from "./harness.mjs";

const [, url, packageName, mode] = process.argv.slice(2);
const { io } = load(packageName);
const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] }[mode];

function newContext() {
  const cleanups = [];
  const enter = async () => {
    const socket = io(url, { forceNew: true, reconnection: false, transports });
    cleanups.push(() => socket.disconnect());
    await next(socket, "connect");
    return socket;
  };
  return { cleanups, enter };
}

const scenarios = {
  async conversation({ enter }) {
    const ada = await enter();
    const login = next(ada, "login");
    ada.emit("add user", "Ada");
    equal(await login, [{ numUsers: 1 }], "login of the first");

    const bob = await enter();
    const joined = next(ada, "user joined");
    const second = next(bob, "login");
    bob.emit("add user", "Bob");
    equal(await second, [{ numUsers: 2 }], "login of the second");
    equal(await joined, [{ username: "Bob", numUsers: 2 }], "user joined, at the first");

    const heard = new Map(["new message", "typing", "stop typing"].map((event) => [event, collect(ada, event)]));
    const left = next(ada, "user left");
    bob.emit("typing");
    bob.emit("new message", "Grüße & <b>☃</b>");
    bob.emit("stop typing");
    const own = collect(bob, "new message");
    const reply = next(bob, "new message");
    ada.emit("new message", "hi Bob");
    equal(await reply, [{ username: "Ada", message: "hi Bob" }], "new message, at the second");
    equal(own.length, 1, "messages at the second: its own does not come back");

    bob.disconnect();
    equal(await left, [{ username: "Bob", numUsers: 1 }], "user left, at the first");
    equal([...heard], [
      ["new message", [[{ username: "Bob", message: "Grüße & <b>☃</b>" }]]],
      ["typing", [[{ username: "Bob" }]]],
      ["stop typing", [[{ username: "Bob" }]]],
    ], "what the first heard");
  },

  async "a second name is ignored"({ enter }) {
    const ada = await enter();
    const logins = collect(ada, "login");
    const left = collect(ada, "user left");
    const login = next(ada, "login");
    ada.emit("add user", "Ada");
    let [{ numUsers }] = await login;
    while (numUsers > 1) [{ numUsers }] = left.shift() ?? (await next(ada, "user left")); // those of another scenario
    ada.emit("add user", "Eve");
    const bob = await enter();
    const second = next(bob, "login");
    bob.emit("add user", "Bob");
    equal((await second)[0].numUsers, numUsers + 1, "people after one joined under two names");
    const message = next(bob, "new message");
    ada.emit("new message", "who am I?");
    equal(await message, [{ username: "Ada", message: "who am I?" }], "author");
    equal(logins.length, 1, "logins");
  },

  async "a guest without a name is not heard"({ enter }) {
    const [ada, guest] = [await enter(), await enter()];
    const login = next(ada, "login");
    ada.emit("add user", "Ada");
    await login;
    const messages = collect(ada, "new message");
    guest.emit("new message", "boo");
    guest.emit("typing");
    const second = next(guest, "login");
    const joined = next(ada, "user joined");
    guest.emit("add user", "Guest"); // in order: what came before it has been dealt with
    await second;
    await joined;
    equal(messages, [], "messages at the first");
  },
};

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
await runAll(scenarios, newContext, print);
print({ done: true });
process.exit(0);
