package sio;

import static sio.Scenarios.SCENARIOS;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.json.JSONObject;

/**
 * The Java client as a client of a server that keeps the contract of interop/README.md. Prints a line of JSON for the
 * outcome of each scenario.
 *
 * <p>Usage: {@code java -jar interop.jar URL polling|websocket|upgrade}
 */
public final class Client {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  private static final BufferedReader IN = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

  public static void main(String[] args) throws Exception {
    for (var scenario : SCENARIOS.entrySet()) {
      var peers = new Peers(args[0], args[1]);
      var result = new JSONObject().put("scenario", scenario.getKey()).put("ok", true);
      long start = System.nanoTime();
      try {
        scenario.getValue().run(peers);
      } catch (Throwable error) { // the scenario failed; the others go on
        result.put("ok", false).put("error", error.toString());
      }
      peers.close();
      OUT.println(result.put("ms", (System.nanoTime() - start) / 1_000_000));
    }
    OUT.println(new JSONObject().put("done", true));
    System.exit(0); // the client's threads are no daemons
  }

  /** Asks the test to restart the server, and waits until it has. */
  static void restart() throws Exception {
    OUT.println(new JSONObject().put("control", "restart"));
    IN.readLine();
  }

  /** One scenario's clients. */
  static final class Peers {
    final String mode;
    private final String url;
    private final List<Peer> opened = new ArrayList<>();

    Peers(String url, String mode) {
      this.url = url;
      this.mode = mode;
    }

    /** A client that is connected to the root namespace. */
    Peer connect() throws Exception {
      Peer peer = open("/", null);
      peer.connect();
      return peer;
    }

    /** A client that is not connected yet. */
    Peer open(String namespace, String token) {
      Peer peer = new Peer(url + namespace, mode, token);
      opened.add(peer);
      return peer;
    }

    void close() {
      opened.forEach(Peer::close);
    }
  }
}
