//! Who is asking: sign-in, sessions and tokens, through the whole program.

mod attempts;
mod clocks;
mod enumeration;
mod fixation;
mod foreign;
mod hashes;
mod hostile;
mod injection;
mod json;
mod lockout;
mod looks;
mod mail;
mod nodes;
mod oidc;
mod opaque;
mod oversee;
mod pages;
mod passkeys;
mod post;
mod rekey;
mod replay;
mod required;
mod rotate;
mod second;
mod stuffing;
mod suite;
mod unicode;

use http::Method;

use crate::support::{Answer, Client, Site, Upstream, public};

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const HTML: (&str, &str) = ("accept", "text/html");

/// Fields as a browser sends them.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Sends a form from a page of the site.
pub async fn post(site: &Site, client: &mut Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let own = format!("http://{}", site.address);
    let headers = [("content-type", FORM), ("origin", &own), HTML];
    client.send(Method::POST, path, &headers, &encoded(fields)).await
}

/// Anybody may register, and whoever tries to sign in may do it this often.
pub fn open(upstream: &Upstream, attempts: &str) -> String {
    let rest = public(upstream.address);
    format!("[identify.sign_up]\nopen = true\n[shield.limits]\nlogin = \"{attempts}\"\n{rest}")
}

/// Anybody may register, and nobody is slowed down.
pub async fn site() -> Site {
    Site::start(&open(&Upstream::plain().await, "1000/minute")).await
}
