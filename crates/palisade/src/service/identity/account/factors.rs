//! `/account/factors`: one's second factors, seen, set up and given up (ID-17).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use data_encoding::BASE64URL_NOPAD;
use fast_qr::QRBuilder;
use fast_qr::convert::Builder as _;
use fast_qr::convert::svg::SvgBuilder;
use palisade_access::{Changed, Principal, TotpOffer};
use palisade_gate::{Allowed, Exchange};
use palisade_model::{Denial, Refusal, Secret, Timestamp};
use palisade_store::Passkey;
use serde_json::json;

use super::overview::{notice, readable};
use crate::pages::{Codes, Factors, Field, PasskeyLine, Place, TotpSetup};
use crate::service::assets;
use crate::service::identity::entrance::passkey;
use crate::service::identity::intake::{Intake, Speech};
use crate::service::identity::{Answer, Desk, lasting, next, reply, somebody};

const PAGE: &str = "/account/factors";

/// Everything that there is.
pub(super) async fn page(State(desk): State<Desk>, Allowed(permit): Allowed, uri: Uri) -> Answer {
    let wish = reply::query(&uri, "next");
    let next = wish.as_deref().and_then(next::local).unwrap_or_default();
    Ok(overview(&desk, somebody(&permit)?, next, notice(&uri), None).await?)
}

/// A secret for an application.
pub(super) async fn offer_app(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let onward = Onward::of(&mut intake);
    intake.finish()?;
    let offer = match desk.access.offer_totp(principal).await {
        Ok(offer) => offer,
        Err(refusal) => return refused(&desk, principal, &onward, refusal).await,
    };
    if intake.speech == Speech::Json {
        let TotpOffer { ceremony, secret, uri } = &offer;
        let body = json!({ "ceremony": ceremony.expose(), "secret": secret.expose(), "uri": uri.expose() });
        return Ok(reply::json(200, &body));
    }
    Ok(setup(&desk, principal, &offer, onward.next(), None)?)
}

/// The first code of an application.
pub(super) async fn add_app(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let onward = Onward::of(&mut intake);
    let ceremony = intake.required("ceremony", "Send the name of the offer.");
    let code = intake.required("code", "Write the code that the app shows.");
    let outcome = match intake.finish() {
        Ok(()) => desk.access.add_totp(principal, &ceremony, &code, &exchange.origin()).await,
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Err(refusal) if intake.speech == Speech::Form && of_field(&refusal, "code") => {
            let offer = desk.access.offered_totp(principal, &ceremony).await?;
            Ok(setup(&desk, principal, &offer, onward.next(), Some(&refusal))?)
        }
        outcome => changed(&desk, principal, &onward, outcome, "added").await,
    }
}

/// Gives the application up.
pub(super) async fn remove_app(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let onward = Onward::of(&mut intake);
    intake.finish()?;
    let outcome = desk.access.remove_totp(principal, &exchange.origin()).await;
    changed(&desk, principal, &onward, outcome, "removed").await
}

/// A challenge for a new passkey.
pub(super) async fn challenge(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    mut intake: Intake,
) -> Answer {
    intake.finish()?;
    Ok(passkey::challenged(&desk.access.new_passkey_challenge(somebody(&permit)?).await?))
}

/// A new passkey.
pub(super) async fn add_passkey(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let onward = Onward::of(&mut intake);
    let name = intake.required("name", "Write a name for the passkey.");
    let ceremony = intake.required("ceremony", "Send the name of the challenge.");
    let credential = intake.required("credential", "Send the passkey, as JSON in a string.");
    let outcome = match intake.finish() {
        Ok(()) => {
            let (name, origin) = (name.expose(), exchange.origin());
            desk.access.add_passkey(principal, name, &ceremony, &credential, &origin).await
        }
        Err(refusal) => Err(refusal),
    };
    changed(&desk, principal, &onward, outcome, "added").await
}

/// Gives a passkey up.
pub(super) async fn remove_passkey(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let onward = Onward::of(&mut intake);
    let which = intake.required("passkey", "Name a passkey.");
    intake.finish()?;
    let outcome = match BASE64URL_NOPAD.decode(which.expose().as_bytes()) {
        Ok(id) => desk.access.remove_passkey(principal, &id, &exchange.origin()).await,
        Err(_) => Err(Refusal::field("passkey", "Name a passkey.")),
    };
    changed(&desk, principal, &onward, outcome, "removed").await
}

/// New recovery codes.
pub(super) async fn renew_codes(
    State(desk): State<Desk>,
    Allowed(permit): Allowed,
    Extension(exchange): Extension<Arc<Exchange>>,
    mut intake: Intake,
) -> Answer {
    let principal = somebody(&permit)?;
    let onward = Onward::of(&mut intake);
    intake.finish()?;
    let outcome = desk.access.renew_recovery_codes(principal, &exchange.origin()).await;
    changed(&desk, principal, &onward, outcome, "added").await
}

/// How the answer goes, and where somebody goes once there is a second step.
struct Onward {
    speech: Speech,
    wish: Option<Secret>,
}

impl Onward {
    fn of(intake: &mut Intake) -> Self {
        let speech = intake.speech;
        Self { speech, wish: if speech == Speech::Form { intake.optional("next") } else { None } }
    }

    /// A path of this site, or nothing.
    fn next(&self) -> &str {
        self.wish.as_ref().map(Secret::expose).and_then(next::local).unwrap_or_default()
    }
}

/// The page of factors, from which one goes on to `next`.
fn again(next: &str) -> String {
    if next.is_empty() { PAGE.to_owned() } else { reply::onward(PAGE, next) }
}

fn of_field(refusal: &Refusal, field: &str) -> bool {
    refusal.denial == Denial::InvalidInput && refusal.fields.iter().all(|fault| fault.field == field)
}

/// The answer to a change: the codes if there are new ones, or the page again.
async fn changed(
    desk: &Desk,
    principal: &Principal,
    onward: &Onward,
    outcome: Result<Changed, Refusal>,
    done: &'static str,
) -> Answer {
    let changed = match outcome {
        Ok(changed) => changed,
        Err(refusal) => return refused(desk, principal, onward, refusal).await,
    };
    let codes: Option<Vec<&str>> =
        changed.codes.as_ref().map(|codes| codes.iter().map(Secret::expose).collect());
    let response = match (onward.speech, codes) {
        (Speech::Json, codes) => {
            let token = desk.access.csrf_token(&changed.session.principal)?;
            reply::json(200, &json!({ "csrf_token": token, "recovery_codes": codes }))
        }
        (Speech::Form, Some(codes)) => codes_page(desk, principal, &codes, onward.next())?,
        (Speech::Form, None) => reply::see_other(&format!("{PAGE}?done={done}")),
    };
    Ok(reply::begin(desk, &changed.session, response))
}

/// A no: on the page where somebody can put it right there.
async fn refused(desk: &Desk, principal: &Principal, onward: &Onward, refusal: Refusal) -> Answer {
    match (onward.speech, refusal.denial) {
        (Speech::Form, Denial::InvalidInput) => {
            Ok(overview(desk, principal, onward.next(), None, Some(&refusal)).await?)
        }
        _ => Err(refusal.into()),
    }
}

async fn overview(
    desk: &Desk,
    principal: &Principal,
    next: &str,
    notice: Option<&'static str>,
    refusal: Option<&Refusal>,
) -> Result<Response<Body>, Refusal> {
    let held = desk.access.held_factors(principal).await?;
    let keys: Vec<PasskeyLine> = held.passkeys.iter().map(line).collect();
    let nonce = reply::nonce(desk)?;
    let csrf_token = desk.access.csrf_token(principal)?;
    let frame = desk.inside(&nonce, principal, &csrf_token, Place::Factors);
    let page = Factors {
        frame: reply::troubled(frame.or_notice(notice), refusal),
        lasting: lasting(principal),
        fresh: desk.access.fresh(principal).is_ok(),
        needed: principal.factor_missing(),
        possible: desk.access.passkeys_possible(),
        local: local(&desk.policy.app.base_url.authority),
        totp: held.totp.map(both),
        keys: &keys,
        left: held.recovery_codes,
        next,
        again: &again(next),
        name: Field::passkey_name(),
        script: assets::script(),
        csrf_field: &desk.policy.csrf.field,
        csrf_token: &csrf_token,
    };
    reply::page(&page, &nonce, refusal)
}

/// The same site under a name that browsers take passkeys at, if it has an address of the loopback.
fn local(authority: &str) -> Option<String> {
    let at: std::net::SocketAddr = authority.parse().ok()?;
    at.ip().is_loopback().then(|| format!("http://localhost:{}", at.port()))
}

fn line(passkey: &Passkey) -> PasskeyLine {
    let (created_at, created) = both(passkey.created_at);
    PasskeyLine {
        id: BASE64URL_NOPAD.encode(&passkey.id),
        name: passkey.name.clone(),
        created_at,
        created,
        used: passkey.last_used.map(both),
    }
}

/// A time for machines and for people.
fn both(at: Timestamp) -> (String, String) {
    (at.to_string(), readable(at))
}

fn setup(
    desk: &Desk,
    principal: &Principal,
    offer: &TotpOffer,
    next: &str,
    refusal: Option<&Refusal>,
) -> Result<Response<Body>, Refusal> {
    let broken = |_| Refusal::new(Denial::Internal, "a QR code could not be drawn");
    let qr = QRBuilder::new(offer.uri.expose()).build().map_err(broken)?;
    let qr = SvgBuilder::default().margin(4).to_str(&qr);
    let nonce = reply::nonce(desk)?;
    let csrf_token = desk.access.csrf_token(principal)?;
    let page = TotpSetup {
        frame: reply::troubled(desk.frame_of(&nonce, principal), refusal),
        qr: &qr,
        secret: offer.secret.expose(),
        uri: offer.uri.expose(),
        ceremony: offer.ceremony.expose(),
        next,
        again: &again(next),
        code: Field::digits(),
        csrf_field: &desk.policy.csrf.field,
        csrf_token: &csrf_token,
    };
    reply::page(&page, &nonce, refusal)
}

fn codes_page(
    desk: &Desk,
    principal: &Principal,
    codes: &[&str],
    next: &str,
) -> Result<Response<Body>, Refusal> {
    let nonce = reply::nonce(desk)?;
    let app = &desk.policy.app.name;
    let file = format!("Recovery codes for {app}. Each works once.\n\n{}\n", codes.join("\n"));
    let page = Codes {
        frame: desk.frame_of(&nonce, principal),
        name: principal.name(),
        done: "Done. All your other sessions were ended.",
        codes,
        file: &file,
        next: if next.is_empty() { PAGE } else { next },
    };
    reply::page(&page, &nonce, None)
}
