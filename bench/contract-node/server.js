// The bench contract (../README.md) on the reference implementation, with
// default settings. Start it with --expose-gc, so that "gc" collects.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer();
const io = new Server(http);

function contract(namespace) {
  namespace.on("connection", (socket) => {
    socket.on("echo", (arg, ack) => ack(arg));
    socket.on("broadcast", (arg) => socket.nsp.emit("msg", arg));
    socket.on("join", (rooms, ack) => {
      socket.join(rooms);
      ack();
    });
    socket.on("room-broadcast", (room, arg) => socket.nsp.to(room).emit("msg", arg));
    socket.on("gc", (ack) => {
      globalThis.gc?.();
      ack();
    });
  });
}

contract(io.of("/"));
contract(io.of(/^\/n-/));

http.listen(Number(process.env.PORT || 3000), "127.0.0.1");
