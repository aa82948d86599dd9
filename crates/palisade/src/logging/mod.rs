//! The application log (AUD-6): JSON in production, readable in development, nothing secret in it (AUD-5).
