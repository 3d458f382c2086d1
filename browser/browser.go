// Package browser has the builds of the browser client: its own implementation
// of the JavaScript API of socket.io-client 4.x, in TypeScript, under src.
//
// The files under dist are made from the sources by the program in the folder
// build (make build-browser); its tests fail when they are stale.
package browser

import (
	"embed"
	"io/fs"
)

//go:embed dist/socket.io*
var dist embed.FS

// Files has the builds, each with its source map (".map") and, of the scripts,
// compressed forms (".br" and ".gz"):
//
//	socket.io.js              readable, for script tags
//	socket.io.min.js          the same, minified
//	socket.io.esm.min.js      a module, minified
//	socket.io.msgpack.min.js  for script tags, with packets as MessagePack
func Files() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the path is a constant, and valid
	}
	return sub
}
