//! What Palisade's own pages need: a style sheet, a script and perhaps a logo, named by their digests so that they can be
//! kept for ever.

mod logo;

use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use data_encoding::HEXLOWER;
use palisade_gate::refused;
use palisade_model::Denial;
use palisade_model::digest::sha256;
use palisade_policy::Policy;
use palisade_policy::section::app::{Accent, Shades};

use crate::pages::{SCRIPT, STYLESHEET};

/// A picture may hold what a page must not run, if somebody opens it by itself.
const PICTURE_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";

/// One file.
struct Asset {
    path: String,
    contents: Bytes,
    kind: &'static str,
    picture: bool,
}

/// What is served below `/.palisade/assets`.
pub struct Assets {
    style: Asset,
    logo: Option<Asset>,
}

impl Assets {
    /// With the policy's accent and logo.
    ///
    /// # Errors
    /// When the logo cannot be read, or is none that could be shown safely.
    pub fn of(policy: &Policy) -> anyhow::Result<Self> {
        let style = policy.app.accent.map_or_else(|| STYLESHEET.to_owned(), |accent| coloured(&accent));
        let logo = policy.app.logo.as_deref().map(logo::read).transpose()?;
        Ok(Self {
            style: asset("palisade", style.into_bytes(), "css", "text/css; charset=utf-8"),
            logo: logo
                .map(|(contents, end, kind)| Asset { picture: true, ..asset("logo", contents, end, kind) }),
        })
    }

    /// The path of the style sheet.
    #[must_use]
    pub fn stylesheet(&self) -> &str {
        &self.style.path
    }

    /// The path of the logo, if there is one.
    #[must_use]
    pub fn logo(&self) -> Option<&str> {
        self.logo.as_ref().map(|logo| logo.path.as_str())
    }

    /// The asset at that path.
    #[must_use]
    pub fn answer(&self, path: &str) -> Response<Body> {
        let own = [Some(&self.style), Some(&*PASSKEY), self.logo.as_ref()];
        let Some(asset) = own.into_iter().flatten().find(|asset| asset.path == path) else {
            return refused(Denial::RouteUnknown.into());
        };
        let mut response = Response::new(Body::from(asset.contents.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
        headers
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        if asset.picture {
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PICTURE_CSP));
        }
        response
    }
}

static PASSKEY: LazyLock<Asset> =
    LazyLock::new(|| asset("passkey", SCRIPT.as_bytes().to_vec(), "js", "text/javascript; charset=utf-8"));

/// The path of the script for passkeys.
#[must_use]
pub fn script() -> &'static str {
    &PASSKEY.path
}

/// Under a name with the first 64 bits of the contents' SHA-256.
fn asset(name: &str, contents: Vec<u8>, end: &str, kind: &'static str) -> Asset {
    let digest = HEXLOWER.encode(&sha256(&[&contents]));
    let path = format!("/.palisade/assets/{name}.{}.{end}", digest.get(..16).unwrap_or(&digest));
    Asset { path, contents: contents.into(), kind, picture: false }
}

/// The style sheet in the application's own colour.
fn coloured(accent: &Accent) -> String {
    let root = |shades: &Shades| {
        format!(
            ":root {{ --accent: {}; --accent-strong: {}; --on-accent: {}; }}",
            shades.accent, shades.strong, shades.on
        )
    };
    let (light, dark) = (root(&accent.light), root(&accent.dark));
    format!("{STYLESHEET}\n{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_model::Environment;

    #[test]
    fn a_name_is_its_contents_and_no_other_name_is_served() {
        let policy = |text: &str| Policy::from_toml("p", text, &Environment::default()).unwrap().policy;
        let plain = Assets::of(&policy("")).unwrap();
        let response = plain.answer(plain.stylesheet());
        assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(plain.answer(script()).status(), 200);
        let red = Assets::of(&policy("[app]\naccent = \"#aa0000\"\n")).unwrap();
        assert_ne!(plain.stylesheet(), red.stylesheet());
        assert_eq!(plain.answer(red.stylesheet()).status(), 404);
        for other in
            ["/.palisade/assets/", "/.palisade/assets/palisade.css", "/.palisade/assets/../palisade.toml"]
        {
            assert_eq!(plain.answer(other).status(), 404, "{other}");
        }
    }
}
