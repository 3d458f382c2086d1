module github.com/siogo/sio/adapters/redis

go 1.26.0

require (
	github.com/redis/rueidis v1.0.79
	github.com/siogo/sio v0.0.0
	github.com/tinylib/msgp v1.6.5
)

require (
	github.com/go-json-experiment/json v0.0.0-20260820222146-c27c302e5fc3 // indirect
	github.com/philhofer/fwd v1.2.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace github.com/siogo/sio => ../../
