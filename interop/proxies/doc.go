// Package proxies runs our server behind nginx and HAProxy: two nodes, and
// clients that poll, upgrade and talk over WebSocket through the proxy. All
// requests of a session have to reach the node that knows it; the
// configurations show three ways to see to that:
//
//	nginx-ip.conf       nginx, by the client's address
//	nginx-cookie.conf   nginx, by the cookie: session ids begin with the node's
//	                    name (engineio.Options.Cookie and GenerateID)
//	haproxy.cfg         HAProxy, by the cookie, whose value it learns from the
//	                    handshake's answer (engineio.Options.Cookie)
//
// They are templates: the test fills in ports and folders. It starts the
// proxies itself, on free ports of the loopback interface, and stops them.
package proxies
