package differential

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/rs/cors"

	"github.com/siogo/sio/engineio"
)

// A config is one configuration, for both sides.
type config struct {
	name   string
	weight int // how many scripts run against it, relative to the others
	theirs map[string]any
	ours   engineio.Options
}

var configs = []config{
	{"default", 10, options{"allowEIO3": true}, engineio.Options{}},
	{"small", 4, options{"allowEIO3": true, "maxHttpBufferSize": 300}, engineio.Options{MaxPayload: 300}},
	{"revision4", 1, options{}, engineio.Options{DisableRevision3: true}},
	{"cookie", 1, options{"allowEIO3": true, "cookie": options{"name": "node", "maxAge": 3600, "sameSite": "strict", "path": "/app"}},
		engineio.Options{Cookie: &http.Cookie{Name: "node", MaxAge: 3600, SameSite: http.SameSiteStrictMode, Path: "/app"}}},
	{"cors", 3, options{"allowEIO3": true, "cors": options{"origin": []string{"https://a.example", "https://b.example"}, "credentials": true}},
		engineio.Options{CORS: &cors.Options{
			AllowedOrigins: []string{"https://a.example", "https://b.example"}, AllowCredentials: true, AllowedHeaders: []string{"*"}, AllowedMethods: methods,
		}}},
	{"cors any", 1, options{"allowEIO3": true, "cors": options{"origin": "*"}},
		engineio.Options{CORS: &cors.Options{AllowedOrigins: []string{"*"}, AllowedMethods: methods}}},
	{"polling only", 1, options{"allowEIO3": true, "transports": []string{"polling"}}, engineio.Options{Transports: []string{engineio.Polling}}},
	{"websocket only", 1, options{"allowEIO3": true, "transports": []string{"websocket"}}, engineio.Options{Transports: []string{engineio.WebSocket}}},
	{"no upgrades", 1, options{"allowEIO3": true, "allowUpgrades": false}, engineio.Options{DisableUpgrades: true}},
	{"allow request", 1, options{"allowEIO3": true, "refuse": true}, engineio.Options{AllowRequest: refuse}},
	{"initial packet", 1, options{"allowEIO3": true, "initialPacket": "welcome"}, engineio.Options{InitialMessage: engineio.NewMessage([]byte("welcome"), false)}},
	// A busy machine must be through with the steps before the first ping, and repeat the poll that it answered before
	// the timeout, or one side is told by a refusal. The same goes for the probe and the timeout of the upgrade.
	{"heartbeat", 1, options{"allowEIO3": true, "pingInterval": 1500, "pingTimeout": 3000},
		engineio.Options{PingInterval: 1500 * time.Millisecond, PingTimeout: 3 * time.Second}},
	{"upgrade timeout", 1, options{"allowEIO3": true, "upgradeTimeout": 3000}, engineio.Options{UpgradeTimeout: 3 * time.Second}},
	{"deflate", 1, options{"allowEIO3": true, "perMessageDeflate": true}, engineio.Options{Deflate: &engineio.Deflate{}}},
}

// methods are those that the reference allows by default.
var methods = []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"}

type options = map[string]any

// refuse is AllowRequest of the configuration that has one.
func refuse(r *http.Request) error {
	if message := r.URL.Query().Get("refuse"); message != "" {
		return errors.New(message)
	}
	return nil
}

// theirConfigs is the argument of the reference script.
func theirConfigs() string {
	all := make(map[string]any)
	for _, c := range configs {
		all[c.name] = c.theirs
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(b)
}
