package sio;

import static sio.Peer.equal;

import io.socket.client.Ack;
import io.socket.client.Socket;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.json.JSONArray;
import org.json.JSONObject;
import sio.Client.Peers;

/** What a client must see from a server that keeps the contract. */
final class Scenarios {
  interface Scenario {
    void run(Peers peers) throws Exception;
  }

  static final Map<String, Scenario> SCENARIOS = new LinkedHashMap<>();

  static {
    SCENARIOS.put("connect", Scenarios::connect);
    SCENARIOS.put("authentication", Scenarios::authentication);
    SCENARIOS.put("events", Scenarios::events);
    SCENARIOS.put("binary", Scenarios::binary);
    SCENARIOS.put("binary in values", Scenarios::binaryInValues);
    SCENARIOS.put("acks by the server", Scenarios::acksByTheServer);
    SCENARIOS.put("binary acks by the server", Scenarios::binaryAcksByTheServer);
    SCENARIOS.put("acks by the client", Scenarios::acksByTheClient);
    SCENARIOS.put("namespaces over one connection", Scenarios::namespaces);
    SCENARIOS.put("rooms", Scenarios::rooms);
    SCENARIOS.put("order", Scenarios::order);
    SCENARIOS.put("large", Scenarios::large);
    SCENARIOS.put("disconnection", Scenarios::disconnection);
    SCENARIOS.put("reconnection", Scenarios::reconnection);
  }

  /** What the server's "give" gives: 0, 1, … 255, 0, … */
  private static byte[] pattern(int length) {
    byte[] data = new byte[length];
    for (int i = 0; i < length; i++) {
      data[i] = (byte) i;
    }
    return data;
  }

  private static Object[] list(Object... args) {
    return args;
  }

  private static String whoami(Peer peer, String key) throws Exception {
    return ((JSONObject) peer.call("whoami")[0]).getString(key);
  }

  private static void connect(Peers peers) throws Exception {
    Peer one = peers.connect();
    Peer other = peers.connect();
    equal(whoami(one, "id"), one.socket.id(), "id on either side");
    equal(one.socket.id().equals(other.socket.id()), false, "two sockets have the same id");
    String want = peers.mode.equals("polling") ? "polling" : "websocket";
    String transport = whoami(one, "transport");
    for (int i = 0; i < 3000 && !transport.equals(want); i++) { // until it has upgraded
      Thread.sleep(10);
      transport = whoami(one, "transport");
    }
    equal(transport, want, "transport");
  }

  private static void authentication(Peers peers) throws Exception {
    Peer admitted = peers.open("/private", "secret");
    admitted.connect();
    equal(whoami(admitted, "namespace"), "/private", "namespace");
    Peer refused = peers.open("/private", "wrong");
    refused.collect(Socket.EVENT_CONNECT_ERROR);
    refused.socket.connect();
    equal(refused.next(Socket.EVENT_CONNECT_ERROR),
        list(new JSONObject("{\"message\":\"not authorized\",\"data\":{\"code\":\"E_AUTH\",\"hint\":[\"token\"]}}")), "refusal");
  }

  private static void events(Peers peers) throws Exception {
    Peer one = peers.connect();
    one.collect("echo");
    Object[][] lists = {
      list(), list(""), list("hello"), list(0, -1.5, 1e21, true, false, JSONObject.NULL),
      list(new JSONObject(), new JSONArray(), new JSONArray("[[]]"), new JSONObject("{\"a\":{\"b\":[1,{\"c\":null}]}}")),
      list("ünï ☃ 𝒳 👩‍👩‍👧", "tab\tnewline\nquote\"backslash\\", "\0\u001e\u2028"), list("2[\"x\"]", new JSONObject("{\"_placeholder\":false}")),
    };
    for (Object[] args : lists) {
      one.socket.emit("echo", args);
      equal(one.next("echo"), args, "echo");
    }
  }

  private static void binary(Peers peers) throws Exception {
    Peer one = peers.connect();
    one.collect("echo");
    for (int length : new int[] {1, 256, 0}) {
      one.socket.emit("echo", (Object) pattern(length));
      equal(one.next("echo"), list(pattern(length)), "echo");
    }
  }

  private static void binaryInValues(Peers peers) throws Exception {
    Peer one = peers.connect();
    one.collect("echo");
    one.collect("given");
    Object[] args = list(pattern(3), "between", deep());
    one.socket.emit("echo", args);
    equal(one.next("echo"), list(pattern(3), "between", deep()), "echo");
    one.socket.emit("give", 1000);
    equal(one.next("given"), list(new JSONObject().put("name", "gift").put("data", pattern(1000))), "gift");
  }

  private static JSONObject deep() throws Exception {
    return new JSONObject().put("name", "a").put("parts", new JSONArray().put(pattern(2)).put(new JSONObject().put("deep", pattern(4))));
  }

  private static void acksByTheServer(Peers peers) throws Exception {
    Peer one = peers.connect();
    for (Object[] args : new Object[][] {list(), list("one"), list(1, new JSONObject("{\"two\":[2]}"), JSONObject.NULL)}) {
      equal(one.call("echo", args), args, "acknowledgement");
    }
    for (int i = 0; i < 20; i++) {
      equal(one.call("echo", i), list(i), "acknowledgement");
    }
  }

  private static void binaryAcksByTheServer(Peers peers) throws Exception {
    Peer one = peers.connect();
    equal(one.call("echo", (Object) pattern(10)), list(pattern(10)), "binary");
    equal(one.call("echo", "mixed", new JSONObject().put("b", pattern(3))), list("mixed", new JSONObject().put("b", pattern(3))), "mixed");
  }

  private static void acksByTheClient(Peers peers) throws Exception {
    Peer one = peers.connect();
    one.socket.on("double", args -> ((Ack) args[1]).call(2 * (Integer) args[0]));
    equal(one.call("ask", "double", 21, 30_000), list(new JSONObject("{\"answer\":[42]}")), "answer");
    one.socket.on("reverse", args -> ((Ack) args[1]).call("reversed", new byte[] {2, 1}));
    equal(one.call("ask", "reverse", new byte[] {1, 2}, 30_000),
        list(new JSONObject().put("answer", new JSONArray().put("reversed").put(new byte[] {2, 1}))), "binary answer");
  }

  private static void namespaces(Peers peers) throws Exception {
    Peer root = peers.connect();
    Peer chat = root.of("/chat");
    chat.connect();
    equal(list(whoami(root, "namespace"), whoami(chat, "namespace")), list("/", "/chat"), "namespaces");
    equal(whoami(chat, "id"), chat.socket.id(), "id in the other namespace");
  }

  private static void rooms(Peers peers) throws Exception {
    Peer a = peers.connect();
    Peer b = peers.connect();
    Peer outsider = peers.connect();
    Peer[] all = {a, b, outsider};
    for (Peer each : all) {
      each.collect("message");
    }
    a.call("join", new JSONArray("[\"red\",\"blue\"]"));
    b.call("join", new JSONArray("[\"red\",\"blue\"]"));
    equal(a.call("rooms"), list(new JSONArray("[\"blue\",\"red\"]")), "rooms");
    a.call("to-room", "red", "to red");
    a.call("all-in-room", "blue", "all in blue", pattern(3));
    b.call("leave", "red");
    a.call("to-room", "red", "b left");
    for (Peer each : all) {
      each.call("echo", "what came before has come");
    }
    Object inBlue = list("all in blue", pattern(3));
    Object[] got = Arrays.stream(all).map(each -> (Object) each.arrived("message").toArray()).toArray();
    equal(got, list(list(inBlue), list(list("to red"), inBlue), list()), "who got what");
  }

  private static void order(Peers peers) throws Exception {
    Peer one = peers.connect();
    one.collect("seq");
    for (int i = 0; i < 200; i++) {
      one.socket.emit("seq", i);
    }
    equal(one.call("seq-report"), list(new JSONObject("{\"received\":200,\"firstWrong\":-1}")), "what the server got");
    one.socket.emit("flood", 200);
    Object[] got = new Object[200];
    for (int i = 0; i < got.length; i++) {
      got[i] = one.next("seq")[0];
    }
    equal(got, IntStream.range(0, 200).boxed().toArray(), "what the client got");
  }

  private static void large(Peers peers) throws Exception {
    Peer one = peers.connect();
    String text = "0123456789abcdef☃".repeat(15_000);
    equal(one.call("echo", text), list(text), "long text");
    equal(one.call("echo", (Object) pattern(300_000)), list(pattern(300_000)), "long binary");
  }

  private static void disconnection(Peers peers) throws Exception {
    Peer one = peers.connect();
    Peer other = peers.connect();
    Peer witness = peers.connect();
    one.collect(Socket.EVENT_DISCONNECT);
    one.socket.emit("kick", false);
    equal(one.next(Socket.EVENT_DISCONNECT), list("io server disconnect"), "the client's reason");
    String id = other.socket.id();
    other.socket.disconnect();
    equal(witness.call("reason-of", id), list("client namespace disconnect"), "the server's reason");
  }

  private static void reconnection(Peers peers) throws Exception {
    Peer one = peers.connect();
    one.collect(Socket.EVENT_CONNECT);
    String before = one.socket.id();
    Client.restart();
    one.next(Socket.EVENT_CONNECT);
    equal(one.socket.id().equals(before), false, "a new server gave the old id");
    equal(whoami(one, "id"), one.socket.id(), "id on either side");
  }
}
