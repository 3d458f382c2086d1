package interop

import (
	"bufio"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// TestChat runs the chat example as its user would, with two clients in Node
// and with two people at its page in Chromium. The page is the same with our
// client and with the official one, for which it was written.
func TestChat(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "chat")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/siogo/sio/examples/chat").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	build := filepath.Join(scripts, "node_modules", "socket.io-client-4", "dist")

	for _, mode := range modes {
		for _, client := range []string{"socket.io-client-4", "sio-client-4"} {
			t.Run("Node/"+client+"/"+mode, func(t *testing.T) {
				t.Parallel()
				runSuite(t, startChat(t, binary), "chat.mjs", "chat", client, mode)
			})
		}
	}
	for client, flags := range map[string][]string{"ours": nil, "official": {"-client", build}} {
		t.Run("Chromium/talk/"+client, func(t *testing.T) {
			t.Parallel()
			shots := t.ArtifactDir()
			runSuite(t, startChat(t, binary, flags...), "chat-browser.mjs", "chat", shots, "upgrade")
			for _, name := range []string{"welcome", "typing", "desk", "phone"} {
				checkPicture(t, filepath.Join(shots, name+".png"))
			}
		})
	}
	t.Run("Chromium/no client", func(t *testing.T) {
		t.Parallel()
		shots := t.ArtifactDir()
		runSuite(t, startChat(t, binary, "-client", "none"), "chat-browser.mjs", "no-client", shots, "upgrade")
		checkPicture(t, filepath.Join(shots, "no-client.png"))
	})
}

// A chat is the running example.
type chat struct{ url string }

func (c chat) URL() string { return c.url }

func (chat) Restart() (map[string]string, error) { panic("the chat is not restarted") }

var chatAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// startChat runs the example on a free port. At the end of the test it is
// interrupted, and must then end by itself and in order.
func startChat(t *testing.T, binary string, flags ...string) chat {
	t.Helper()
	cmd := exec.Command(binary, flags...)
	cmd.Env = append(os.Environ(), "PORT=0")
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(time.Minute, func() {
			t.Error("the chat did not end within a minute of SIGTERM")
			cmd.Process.Kill()
		})
		defer late.Stop()
		for lines.Scan() {
			t.Logf("chat: %s", lines.Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("chat: %v", err)
		}
	})
	for lines.Scan() {
		t.Logf("chat: %s", lines.Text())
		if url := chatAddress.FindString(lines.Text()); url != "" {
			return chat{url}
		}
	}
	t.Fatalf("the chat ended without saying where it is: %v", lines.Err())
	return chat{}
}

// checkPicture fails when a screenshot is missing or of one colour only.
func checkPicture(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	colours := map[any]bool{}
	for y := picture.Bounds().Min.Y; y < picture.Bounds().Max.Y; y += 3 {
		for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x += 3 {
			colours[picture.At(x, y)] = true
		}
	}
	if len(colours) < 10 {
		t.Errorf("%s has %d colours: nothing was drawn", path, len(colours))
	}
}
