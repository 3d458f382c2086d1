package sio;

import io.socket.client.IO;
import io.socket.client.Socket;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.json.JSONArray;
import org.json.JSONObject;

/** A socket, and what it received. */
final class Peer {
  private static final int PATIENCE_SECONDS = 30;

  final Socket socket;
  private final Map<String, BlockingQueue<Object[]>> inboxes = new ConcurrentHashMap<>();

  Peer(String url, String mode, String token) {
    var options = IO.Options.builder()
        .setForceNew(true)
        .setReconnectionDelay(50)
        .setReconnectionDelayMax(200);
    switch (mode) {
      case "polling" -> options.setTransports(new String[] {"polling"});
      case "websocket" -> options.setTransports(new String[] {"websocket"});
      default -> options.setTransports(new String[] {"polling", "websocket"});
    }
    if (token != null) {
      options.setAuth(Map.of("token", token));
    }
    socket = IO.socket(URI.create(url), options.build());
  }

  private Peer(Socket socket) {
    this.socket = socket;
  }

  void connect() throws Exception {
    collect(Socket.EVENT_CONNECT);
    socket.connect();
    next(Socket.EVENT_CONNECT);
  }

  /** Another namespace over the same connection. */
  Peer of(String namespace) {
    return new Peer(socket.io().socket(namespace));
  }

  /** From now on, arguments of the event are for next and for what arrived returns. */
  void collect(String event) {
    var inbox = new LinkedBlockingQueue<Object[]>();
    inboxes.put(event, inbox);
    socket.on(event, inbox::add);
  }

  Object[] next(String event) throws Exception {
    return await(inboxes.get(event), event);
  }

  List<Object[]> arrived(String event) {
    var all = new ArrayList<Object[]>();
    inboxes.get(event).drainTo(all);
    return all;
  }

  /** Emits an event and returns the arguments of its acknowledgement. */
  Object[] call(String event, Object... args) throws Exception {
    var answer = new LinkedBlockingQueue<Object[]>();
    socket.emit(event, args, answer::add);
    return await(answer, "the acknowledgement of " + event);
  }

  private static Object[] await(BlockingQueue<Object[]> from, String what) throws Exception {
    Object[] args = from.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
    if (args == null) {
      throw new TimeoutException(what + " did not come");
    }
    return args;
  }

  void close() {
    socket.disconnect();
    socket.io().reconnection(false);
  }

  /** Compares deeply: JSON objects by their text, bytes by their contents. */
  static void equal(Object got, Object want, String message) {
    if (!show(got).equals(show(want))) {
      throw new AssertionError(message + ": got " + cut(show(got)) + ", want " + cut(show(want)));
    }
  }

  private static String cut(String text) {
    return text.length() < 300 ? text : text.substring(0, 300) + "…";
  }

  private static String show(Object value) {
    if (value instanceof byte[] bytes) {
      return "bytes " + Arrays.toString(bytes);
    }
    if (value instanceof Object[] list) {
      return Arrays.stream(list).map(Peer::show).toList().toString();
    }
    if (value instanceof JSONArray list) {
      var parts = new ArrayList<String>();
      for (int i = 0; i < list.length(); i++) {
        parts.add(show(list.opt(i)));
      }
      return parts.toString();
    }
    if (value instanceof JSONObject object) {
      var parts = new ArrayList<String>();
      for (var keys = object.keys(); keys.hasNext();) {
        String key = (String) keys.next();
        parts.add(key + "=" + show(object.opt(key)));
      }
      Collections.sort(parts);
      return "{" + String.join(", ", parts) + "}";
    }
    if (value instanceof Number number) {
      return new java.math.BigDecimal(number.toString()).stripTrailingZeros().toPlainString();
    }
    return String.valueOf(value);
  }
}
