//! Where all parts meet: a policy becomes a running server.
