//! /.well-known/jwks.json.
