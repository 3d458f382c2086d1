module github.com/siogo/sio

go 1.26.0

require (
	github.com/andybalholm/brotli v1.2.8
	github.com/go-json-experiment/json v0.0.0-20260820222146-c27c302e5fc3
	github.com/gobwas/ws v1.5.0
	github.com/klauspost/compress v1.20.3
	github.com/rs/cors v1.11.1
	github.com/tinylib/msgp v1.6.5
	go.uber.org/goleak v1.3.0
)

require (
	github.com/gobwas/httphead v0.1.0 // indirect
	github.com/philhofer/fwd v1.2.0 // indirect
)
