// Package adaptor has the signatures of the real one that the documentation uses.
package adaptor

import (
	"net/http"

	"github.com/gofiber/fiber/v3"
)

func HTTPHandler(h http.Handler) fiber.Handler
