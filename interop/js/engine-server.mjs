// node engine-server.mjs <package> [options as JSON]
//
// A reference Engine.IO server of one generation: "engine.io" speaks revision 4, "engine.io-3" revision 3. It sends
// every message back; "close" makes it close the session, "many:<n>" send n numbered messages. Prints {"URL"}.

import { createServer } from "node:http";
import { createRequire } from "node:module";

const [name, options = "{}"] = process.argv.slice(2);
const { Server } = createRequire(import.meta.url)(name);

const http = createServer((request, response) => response.writeHead(404).end());
const engine = new Server(JSON.parse(options));
engine.on("connection", (socket) => {
  socket.on("message", (data = "") => { // of a message without data the reference makes undefined
    if (data === "close") return socket.close();
    const [command, n] = typeof data === "string" ? data.split(":") : [];
    if (command !== "many") return socket.send(data);
    for (let i = 0; i < n; i++) socket.send(String(i));
  });
});
engine.attach(http);
http.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ URL: `http://127.0.0.1:${http.address().port}` })));
for await (const _ of process.stdin); // until the test goes away
process.exit(0);
