//! bcrypt's own Base64.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

/// The last character may hold bits that are not of the bytes: old implementations left them unclean.
static ENCODING: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    specification.check_trailing_bits = false;
    specification.encoding().ok()
});

/// The bytes as text.
pub(super) fn encode(bytes: &[u8]) -> String {
    ENCODING.as_ref().map_or_else(String::new, |encoding| encoding.encode(bytes))
}

/// The text's bytes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    ENCODING.as_ref()?.decode(text.as_bytes()).ok()
}
