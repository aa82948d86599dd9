//! Breakglass and visitors' tokens.

use std::time::Duration;

use http::Method;
use palisade_access::BREAKGLASS_SPENT;
use palisade_model::{Action, AuditEvent, ClientAddress, Denial};
use palisade_policy::section::route::Route;
use palisade_store::{AuditQuery, SessionKind, TokenKind};

use crate::house::{House, LIGHT, origin};

const QUARTER: Duration = Duration::from_secs(900);

fn here() -> ClientAddress {
    ClientAddress::known("192.0.2.7".parse().unwrap())
}

fn route<'a>(house: &'a House, path: &str, method: &Method) -> &'a Route {
    let rows = &house.policy.routes.rows;
    rows.iter().find(|row| row.path == path && row.methods.has(method)).unwrap()
}

// proves: ID-13
#[tokio::test]
async fn of_two_hundred_at_once_one_gets_in_and_the_session_is_boxed() {
    let house = House::new().await;
    let made = house.access.issue_breakglass("the provider is down", QUARTER, &origin()).await.unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let (access, token) = (house.access.clone(), made.token.clone());
            tokio::spawn(async move { access.redeem_breakglass(token.expose(), &origin(), None).await })
        })
        .collect();
    let mut begun = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(session) => begun.push(session),
            Err(refusal) => {
                assert_eq!((refusal.denial, &*refusal.why), (Denial::CredentialInvalid, BREAKGLASS_SPENT));
            }
        }
    }
    assert_eq!(begun.len(), 1, "used more than once");
    assert_eq!(house.count("breakglass.used").await, 1);

    let session = begun.pop().unwrap();
    let principal = house.access.session(session.cookie.expose()).await.unwrap().unwrap();
    assert_eq!(principal.kind(), SessionKind::Breakglass);
    assert!(principal.role_names().contains(&"admin".to_owned()), "{:?}", principal.role_names());
    let ask = |path: &str, method: Method| {
        let route = route(&house, path, &method);
        house.access.authorize(route, &method, path, Some(&principal)).err().map(|refusal| refusal.denial)
    };
    assert_eq!(ask("/work", Method::POST), None);
    assert_eq!(ask("/account/password", Method::POST), Some(Denial::Boxed));
    assert_eq!(ask("/auth/register", Method::POST), Some(Denial::Boxed));
    assert_eq!(ask("/auth/logout", Method::POST), None);
    assert_eq!(house.access.fresh(&principal).unwrap_err().denial, Denial::ProofNeeded);
    // Outside of its session the user is nobody: no role, no password.
    let user = house.store.user(principal.user()).await.unwrap().unwrap();
    assert!(user.roles.is_empty() && user.password.is_none());
}

// proves: ID-13
#[tokio::test]
async fn it_ends_in_time_for_good_and_is_reported_once() {
    let house = House::new().await;
    let there = house.neighbour().await;
    let made = house.access.issue_breakglass("locked out", QUARTER, &origin()).await.unwrap();
    let session = house.access.redeem_breakglass(made.token.expose(), &origin(), None).await.unwrap();
    let change = AuditEvent::new(Action::RequestChanged, "request", "/work")
        .by(session.principal.user())
        .change("method", (), "POST");
    house.store.append(vec![change]).await.unwrap();
    for _ in 0..3 {
        house.clock.advance(Duration::from_secs(599));
        assert!(house.access.close_breakglass().await.unwrap().is_empty());
        assert!(house.access.session(session.cookie.expose()).await.unwrap().is_some());
    }
    house.clock.advance(Duration::from_secs(3));
    assert!(house.access.session(session.cookie.expose()).await.unwrap().is_none(), "use made it longer");
    let (here, elsewhere) = tokio::join!(house.access.close_breakglass(), there.close_breakglass());
    let reports: Vec<_> = here.unwrap().into_iter().chain(elsewhere.unwrap()).collect();
    assert_eq!(reports.len(), 1, "reported more than once");
    let changes: Vec<&str> = reports[0].changes().map(|row| row.entity_id.as_str()).collect();
    assert_eq!(changes, ["/work"]);
    assert_eq!(house.count("breakglass.closed").await, 1);
    assert!(!house.store.user(session.principal.user()).await.unwrap().unwrap().enabled);
    let later = house.access.breakglass_report(made.kept.id).await.unwrap().unwrap();
    assert_eq!(later.changes().count(), 1);
}

// proves: ID-13
#[tokio::test]
async fn signing_out_closes_it_and_what_was_never_used_just_runs_out() {
    let house = House::new().await;
    let issue = async || house.access.issue_breakglass("a drill", QUARTER, &origin()).await.unwrap();
    let made = issue().await;
    let session = house.access.redeem_breakglass(made.token.expose(), &origin(), None).await.unwrap();
    house.access.sign_out(&session.principal, &origin()).await.unwrap();
    assert_eq!(house.access.close_breakglass().await.unwrap().len(), 1);
    let late = issue().await;
    house.clock.advance(QUARTER);
    let refused = house.access.redeem_breakglass(late.token.expose(), &origin(), None).await.unwrap_err();
    assert_eq!(refused.denial, Denial::CredentialInvalid);
    assert!(house.access.close_breakglass().await.unwrap().is_empty());
    for (reason, ttl) in
        [("", QUARTER), ("x", Duration::from_secs(59)), ("x", Duration::from_secs(86_401)), ("a\nb", QUARTER)]
    {
        let refused = house.access.issue_breakglass(reason, ttl, &origin()).await.unwrap_err();
        assert_eq!(refused.denial, Denial::InvalidInput, "{reason} {ttl:?}");
    }
    // It is no other credential, and no other is it.
    let made = issue().await;
    let refused = house.access.api_key(made.token.expose(), here()).await.unwrap_err();
    assert_eq!(refused.denial, Denial::CredentialInvalid);
    assert!(house.access.api_key_of_kind(made.token.expose(), TokenKind::Admin, here()).await.is_err());
    assert!(
        house.access.rotate_api_key(made.kept.id, None, QUARTER, None, &origin()).await.unwrap().is_none()
    );
    let rows = house.store.audit_rows(&AuditQuery { limit: 1000, ..AuditQuery::default() }).await.unwrap();
    assert!(!format!("{rows:?}").contains(&made.token.expose()[8..40]));
}

const GUESTS: &str = "[identify.guests]\nopen = true\nroles = [\"user\"]\n";

// proves: ID-14
#[tokio::test]
async fn a_visitor_gets_a_token_whose_session_ends_with_it() {
    let house = House::with(&format!("{LIGHT}\n{GUESTS}")).await;
    let made = house.access.register_guest(&origin()).await.unwrap();
    let token = made.token.expose();
    let begin = async || house.access.exchange_token(token, TokenKind::User, here(), &origin()).await;
    let session = begin().await.unwrap();
    let lives = async || house.access.session(session.cookie.expose()).await.unwrap().is_some();
    assert_eq!(session.principal.kind(), SessionKind::Guest);
    assert_eq!(session.principal.role_names(), ["user"]);
    assert!(lives().await);
    assert_eq!(house.access.fresh(&session.principal).unwrap_err().denial, Denial::Forbidden);
    assert!(house.access.set_api_key_enabled(made.kept.id, false, None, &origin()).await.unwrap());
    assert!(!lives().await, "the session outlived its token");
    assert_eq!(begin().await.unwrap_err().denial, Denial::CredentialInvalid);
    assert!(house.access.set_api_key_enabled(made.kept.id, true, None, &origin()).await.unwrap());
    assert!(!lives().await, "it came back");
    begin().await.unwrap();
    let closed = House::new().await;
    assert_eq!(closed.access.register_guest(&origin()).await.unwrap_err().denial, Denial::SignUpClosed);
}

// A session has no scopes: a token that has some must not become one.
// proves: ID-12, ID-16
#[tokio::test]
async fn a_bounded_token_never_becomes_an_unbounded_session() {
    use palisade_access::{NewKey, Scopes};
    let house = House::new().await;
    let user = house.user("ann", &["admin"]).await;
    let make = async |scopes: &str, networks: &[&str]| {
        let new = NewKey {
            kind: TokenKind::Admin,
            user,
            name: "a".into(),
            scopes: Scopes::parse(scopes).unwrap(),
            networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
            expires_at: None,
        };
        let made = house.access.make_api_key(new, None, &origin()).await.unwrap();
        house.access.exchange_token(made.token.expose(), TokenKind::Admin, here(), &origin()).await.is_ok()
    };
    assert!(make("write", &[]).await);
    assert!(!make("read", &[]).await);
    assert!(!make("write:/work", &[]).await);
    assert!(!make("write", &["192.0.2.0/24"]).await);
    // Nor does the session outlive its token.
    let end = house.world.now().plus(Duration::from_secs(60));
    let new = NewKey {
        kind: TokenKind::Admin,
        user,
        name: "a".into(),
        scopes: Scopes::everything(),
        networks: Vec::new(),
        expires_at: Some(end),
    };
    let made = house.access.make_api_key(new, None, &origin()).await.unwrap();
    let token = made.token.expose();
    let session = house.access.exchange_token(token, TokenKind::Admin, here(), &origin()).await.unwrap();
    assert_eq!(session.expires_at, end);
}
