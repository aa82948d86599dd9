//! Connections from clients: TCP, HTTP/1.1 and HTTP/2, limits on each connection.
