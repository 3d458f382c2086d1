// Package proxies runs our server behind nginx and HAProxy: two nodes, and
// clients that poll, upgrade and talk over WebSocket through the proxy. All
// requests of a session have to reach the node that knows it; the
// configurations show ways to see to that:
//
//	nginx-ip.conf        by the client's address
//	nginx-sid.conf       by the session's id, which is in the query and begins with
//	haproxy-sid.cfg      the node's name (engineio.Options.GenerateID)
//	nginx-cookie.conf    by the cookie with that id (engineio.Options.Cookie too)
//	haproxy-cookie.cfg   by the cookie, which HAProxy learns from the answer to
//	                     the handshake (engineio.Options.Cookie)
//
// They are templates: the test fills in ports and folders. It starts the
// proxies itself, on free ports of the loopback interface, and stops them.
package proxies
