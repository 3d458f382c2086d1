module github.com/siogo/sio/interop

go 1.26
