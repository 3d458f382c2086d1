// Command build makes the bundles of the browser client from its sources:
// the eight files that a server has under /socket.io/, with compressed forms
// of the scripts beside them, and the modules of the npm package.
//
// It stands on esbuild as a library, so that nothing but Go is needed. It runs
// in the folder browser:
//
//	go run ./build                 writes dist
//	go run ./build -npm DIR        writes the modules of the npm package
//	go run ./build -tests DIR      writes the tests as modules for Node and for pages
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	log.SetFlags(0)
	npm := flag.String("npm", "", "write the modules of the npm package to this folder")
	tests := flag.String("tests", "", "write the tests to this folder")
	flag.Parse()
	build, dir := dist, "dist"
	switch {
	case *npm != "":
		build, dir = modules, *npm
	case *tests != "":
		build, dir = testModules, *tests
	}
	files, err := build(".")
	if err != nil {
		log.Fatal(err)
	}
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// A bundle is one script of dist.
type bundle struct {
	name   string
	entry  string // in src
	format api.Format
	minify bool
}

var bundles = []bundle{
	{"socket.io.js", "bundle.ts", api.FormatIIFE, false},
	{"socket.io.min.js", "bundle.ts", api.FormatIIFE, true},
	{"socket.io.esm.min.js", "index.ts", api.FormatESModule, true},
	{"socket.io.msgpack.min.js", "bundle-msgpack.ts", api.FormatIIFE, true},
}

// dist makes the files of the folder dist, by name. dir is the folder browser.
func dist(dir string) (map[string][]byte, error) {
	files := map[string][]byte{
		// In the npm package, whose other scripts are modules of the other kind.
		"package.json": []byte("{ \"type\": \"commonjs\" }\n"),
	}
	for _, b := range bundles {
		options := options(dir, b.entry, b.name)
		options.Format = b.format
		options.Sourcemap = api.SourceMapLinked
		options.SourceRoot = "/"
		options.Banner = map[string]string{"js": "/*! sio | MIT */"}
		if b.minify {
			options.MinifyWhitespace, options.MinifyIdentifiers, options.MinifySyntax = true, true, true
			// What begins with an underscore is nobody else's, but for two names that others know.
			options.MangleProps, options.ReserveProps = "^_", "^_(readyState|placeholder)$"
		}
		if err := run(options, files); err != nil {
			return nil, err
		}
		for suffix, pack := range map[string]func([]byte) []byte{".br": packBrotli, ".gz": packGzip} {
			files[b.name+suffix] = pack(files[b.name])
		}
	}
	return files, nil
}

// modules makes the modules of the npm package. They are neither minified nor
// mangled: that is up to the bundler of whoever uses them.
func modules(dir string) (map[string][]byte, error) {
	files := map[string][]byte{
		// The declarations, which tsc makes, are the same for both kinds of modules, but lie in folders of two kinds.
		"types-cjs/package.json": []byte("{ \"type\": \"commonjs\" }\n"),
	}
	for _, entry := range []string{"index", "node", "msgpack"} {
		for extension, format := range map[string]api.Format{".js": api.FormatESModule, ".cjs": api.FormatCommonJS} {
			options := options(dir, entry+".ts", entry+extension)
			options.Format = format
			if entry == "node" {
				options.Platform = api.PlatformNode
				options.External = []string{"ws"}
			}
			if format == api.FormatCommonJS {
				// require(…) itself is io, as with the official package.
				options.Footer = map[string]string{"js": footer(entry)}
			}
			if err := run(options, files); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

func footer(entry string) string {
	if entry == "msgpack" {
		return ""
	}
	return "module.exports = Object.assign(module.exports.io, module.exports);"
}

// testModules makes each test one module, which has the sources in it. They
// share the module rig.js, by which Node and pages know them.
func testModules(dir string) (map[string][]byte, error) {
	sources, err := filepath.Glob(filepath.Join(dir, "test", "*.ts"))
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), ".ts")
		options := options(dir, "../test/"+name+".ts", name+".js")
		options.Format = api.FormatESModule
		options.Target = api.ES2022 // await at the top
		options.External = []string{"node:*", "ws", "./rig.js"}
		options.Sourcemap = api.SourceMapInline
		if err := run(options, files); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func options(dir, entry, name string) api.BuildOptions {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	return api.BuildOptions{
		AbsWorkingDir: abs,
		EntryPoints:   []string{filepath.Join(abs, "src", filepath.FromSlash(entry))},
		Outfile:       filepath.Join(abs, "dist", name),
		Bundle:        true,
		Charset:       api.CharsetUTF8,
		Target:        api.ES2020,
		LegalComments: api.LegalCommentsNone,
		LogLevel:      api.LogLevelSilent,
		// publish.ts looks for the module of whoever loads it.
		LogOverride: map[string]api.LogLevel{"commonjs-variable-in-esm": api.LogLevelSilent},
	}
}

// run adds the output of esbuild to files, by base name. A warning is an error.
func run(options api.BuildOptions, files map[string][]byte) error {
	result := api.Build(options)
	var errs []error
	for _, m := range append(result.Errors, result.Warnings...) {
		where := ""
		if m.Location != nil {
			where = fmt.Sprintf("%s:%d: ", m.Location.File, m.Location.Line)
		}
		errs = append(errs, errors.New(where+m.Text))
	}
	for _, file := range result.OutputFiles {
		files[filepath.Base(file.Path)] = file.Contents
	}
	return errors.Join(errs...)
}

func packGzip(data []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	w.Write(data) // into memory
	w.Close()
	return b.Bytes()
}

func packBrotli(data []byte) []byte {
	var b bytes.Buffer
	w := brotli.NewWriterLevel(&b, brotli.BestCompression)
	w.Write(data) // into memory
	w.Close()
	return b.Bytes()
}
