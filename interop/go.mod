module github.com/siogo/sio/interop

go 1.26

require github.com/siogo/sio v0.0.0

replace github.com/siogo/sio => ../
