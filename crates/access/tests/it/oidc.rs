//! A provider that lies: each lie is refused for its reason, and leaves no user and no session (ID-6).

mod evil;
mod logout;
mod roles;

use palisade_access::{Access, Arrival, Arrived, Entered, SignUp};
use palisade_model::audit::Origin;
use palisade_model::{Denial, Refusal, Secret};
use serde_json::{Value, json};

use crate::house::{GOOD, House, LIGHT, origin, policy, secret};
use evil::{Evil, Forged, Signed};

const COMPANY: &str = "https://login.example.com";

/// A house with the providers `company`, which is [`Evil`], and `other`, which nobody asks.
pub(super) struct Place {
    pub house: House,
    pub access: Access,
    pub evil: Evil,
}

/// What a browser keeps while it is away, and what the provider was asked.
pub(super) struct Away {
    pub cookie: String,
    pub state: String,
    pub nonce: String,
}

impl Place {
    pub async fn new(more: &str) -> Self {
        Self::in_house(&format!("{LIGHT}\n[identify.sign_up]\nopen = true"), more).await
    }

    pub async fn in_house(rest: &str, more: &str) -> Self {
        let text = format!(
            "{rest}\n[identify.oidc.company]\nissuer = \"{COMPANY}\"\nclient_id = \"us\"\n{more}\n\
             [identify.oidc.other]\nissuer = \"https://other.example.com\"\nclient_id = \"us\"\n"
        );
        let house = House::of(policy(&text, &[])).await;
        let evil = Evil::new(&house.world);
        let access = Access::open_with(
            house.policy.clone(),
            house.store.clone(),
            house.world.clone(),
            std::sync::Arc::new(evil.clone()),
        );
        Self { access: access.await.unwrap(), house, evil }
    }

    pub async fn leave(&self) -> Away {
        self.leave_from(&origin()).await
    }

    async fn leave_from(&self, origin: &Origin) -> Away {
        let departure = self.access.depart("company", None, None, false, origin).await.unwrap();
        let (_, query) = departure.location.split_once('?').unwrap();
        let of = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name}: {query}")).1.into_owned()
        };
        assert_eq!((of("response_type"), of("code_challenge_method")), ("code".into(), "S256".into()));
        Away { cookie: departure.cookie, state: of("state"), nonce: of("nonce") }
    }

    /// Comes back with a token that is right but for what `bend` does to it.
    pub async fn come_back(&self, bend: impl FnOnce(&mut Forged)) -> Result<Arrived, Refusal> {
        let away = self.leave().await;
        let mut forged = Forged::good(COMPANY, &away.nonce, self.house.world.now());
        bend(&mut forged);
        self.evil.says(forged);
        self.arrive("company", &away).await
    }

    pub async fn arrive(&self, provider: &str, away: &Away) -> Result<Arrived, Refusal> {
        let arrival = Arrival {
            provider,
            cookie: Some(&away.cookie),
            state: Some(&away.state),
            code: Some("a-code"),
            iss: Some(COMPANY),
            error: None,
        };
        self.access.arrive(arrival, &origin()).await
    }
}

pub(super) fn session(arrived: Arrived) -> palisade_access::NewSession {
    match arrived {
        Arrived::Entered(Entered::Session(session), _) => session,
        other => panic!("no session: {other:?}"),
    }
}

/// A lie, and why it is refused.
type Lie = (&'static str, fn(&mut Forged));

const LIES: &[Lie] = &[
    ("nonce mismatch", |f| f.claims["nonce"] = "another".into()),
    ("missing nonce", |f| f.without("nonce")),
    ("must contain", |f| f.claims["aud"] = "somebody-else".into()),
    ("not a trusted audience", |f| f.claims["aud"] = json!(["us", "somebody-else"])),
    ("azp", |f| f.claims["azp"] = "somebody-else".into()),
    ("expected `https://login.example.com`", |f| f.claims["iss"] = "https://evil.example.com".into()),
    ("expected `https://login.example.com`", |f| f.claims["iss"] = "https://login.example.com/".into()),
    ("expired", |f| f.claims["exp"] = (f.now - 61).into()),
    ("future", |f| f.claims["iat"] = (f.now + 120).into()),
    ("too long ago", |f| f.claims["iat"] = (f.now - 3600).into()),
    ("no subject", |f| f.claims["sub"] = "".into()),
    ("too long", |f| f.claims["sub"] = "a".repeat(256).into()),
    ("no subject", |f| f.claims["sub"] = "a\0b".into()),
    ("at_hash", |f| f.claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA".into()),
    ("cannot be read", |f| f.without("exp")),
    ("cannot be read", |f| f.without("sub")),
    ("unsupported JWT type", |f| f.header["typ"] = "at+jwt".into()),
    ("critical", |f| f.header["crit"] = json!(["exp"])),
    ("signature", |f| f.signed = Signed::None),
    ("HS256", |f| f.signed = Signed::ByPublicKey),
    ("", |f| f.signed = Signed::ByForeignKey),
    ("ES256", |f| f.header["alg"] = "ES256".into()),
    ("not the provider's", |f| f.header["kid"] = "unknown".into()),
    ("not the provider's", |f| {
        f.header["jwk"] = f.foreign_jwk.clone();
        f.header["kid"] = "foreign".into();
        f.signed = Signed::ByForeignKey;
    }),
    ("no ID token", |f| f.no_token = true),
    ("another subject", |f| {
        f.without("email");
        f.info = json!({"sub": "somebody-else", "email": "boss@example.com", "email_verified": true});
    }),
];

// proves: ID-6
#[tokio::test]
async fn no_lie_of_a_provider_lets_anybody_in() {
    let place = Place::new("").await;
    for (n, (why, bend)) in LIES.iter().enumerate() {
        let refusal = place.come_back(bend).await.expect_err(&format!("lie {n}, {why:?}"));
        assert_eq!(refusal.denial, Denial::ProviderRefused, "lie {n}: {}", refusal.why);
        assert!(refusal.why.contains(why), "lie {n}: {why:?} in {:?}", refusal.why);
    }
    assert_eq!(place.house.store.user_count().await.unwrap(), 0);
    for action in ["user.created", "identity.linked", "session.signed_in"] {
        assert_eq!(place.house.count(action).await, 0, "{action}");
    }
    let new = session(place.come_back(|_| {}).await.unwrap());
    assert_eq!(new.principal.email(), Some("ada@example.com"), "the truth does");
    assert!(!new.principal.strong());
}

// proves: ID-6
#[tokio::test]
async fn an_unknown_key_is_asked_for_once_in_a_minute() {
    let place = Place::new("").await;
    place.come_back(|_| {}).await.unwrap();
    for (wait, asked) in [(0, 2), (0, 2), (59, 2), (2, 3)] {
        place.house.clock.advance(std::time::Duration::from_secs(wait));
        assert!(place.come_back(|f| f.header["kid"] = "unknown".into()).await.is_err());
        assert_eq!(place.evil.asked("/jwks"), asked);
    }
    // Keys rotate at once, all the same.
    place.house.clock.advance(std::time::Duration::from_secs(61));
    place.evil.rotate();
    session(place.come_back(|_| {}).await.unwrap());
    assert_eq!(place.evil.asked("/.well-known/openid-configuration"), 1, "discovery is kept");
}

// Mix-up (RFC 9700 section 4.4): the answer of one provider at the callback of another.
// proves: ID-6
#[tokio::test]
async fn an_answer_of_one_provider_is_not_another_ones() {
    let place = Place::new("").await;
    let away = place.leave().await;
    let refusal = place.arrive("other", &away).await.unwrap_err();
    assert_eq!(refusal.why, "the sign-in was begun at another provider");
    let away = place.leave().await;
    let arrival = Arrival {
        provider: "company",
        cookie: Some(&away.cookie),
        state: Some(&away.state),
        code: Some("a-code"),
        iss: Some("https://other.example.com"),
        error: None,
    };
    let refusal = place.access.arrive(arrival, &origin()).await.unwrap_err();
    assert_eq!(refusal.why, "the answer names another issuer");
    assert_eq!(place.evil.asked("/token"), 0, "no code was sent anywhere");
    assert_eq!(place.arrive("nobody", &away).await.unwrap_err().denial, Denial::RouteUnknown);
}

// proves: ID-6
#[tokio::test]
async fn of_many_who_bring_the_same_answer_one_gets_in() {
    let place = Place::new("").await;
    let away = place.leave().await;
    place.evil.says(Forged::good(COMPANY, &away.nonce, place.house.world.now()));
    let (a, b, c, d) = tokio::join!(
        place.arrive("company", &away),
        place.arrive("company", &away),
        place.arrive("company", &away),
        place.arrive("company", &away)
    );
    assert_eq!([a, b, c, d].into_iter().filter(Result::is_ok).count(), 1);
    assert_eq!((place.evil.asked("/token"), place.house.count("session.signed_in").await), (1, 1));
}

// proves: ID-6
#[tokio::test]
async fn a_discovery_document_that_cannot_be_is_not_used_and_not_asked_for_without_end() {
    type Bend = fn(&mut Value);
    let lies: [(&str, Bend); 5] = [
        ("unexpected issuer", |d| d["issuer"] = "https://evil.example.com".into()),
        ("not https", |d| d["token_endpoint"] = "http://login.example.com/token".into()),
        ("not https", |d| d["jwks_uri"] = "http://169.254.169.254/latest".into()),
        ("not https", |d| d["userinfo_endpoint"] = "http://login.example.com/me".into()),
        ("missing field", |d| *d = json!({"issuer": COMPANY})),
    ];
    for (why, bend) in lies {
        let place = Place::new("").await;
        place.evil.bend_discovery(bend);
        for _ in 0..3 {
            let refusal = place.access.depart("company", None, None, false, &origin()).await.unwrap_err();
            assert_eq!(refusal.denial, Denial::ProviderUnavailable);
        }
        assert_eq!(place.evil.asked("/.well-known/openid-configuration"), 1, "{why}: once, then a pause");
        place.house.clock.advance(std::time::Duration::from_secs(6));
        let refusal = place.access.depart("company", None, None, false, &origin()).await.unwrap_err();
        assert!(refusal.why.contains(why), "{why:?} in {:?}", refusal.why);
        place.house.clock.advance(std::time::Duration::from_secs(6));
        place.evil.bend_discovery(|_| {});
        session(place.come_back(|_| {}).await.unwrap());
    }
}

// proves: ID-6
#[tokio::test]
async fn a_provider_that_goes_away_keeps_what_it_said_for_a_day() {
    let place = Place::new("").await;
    place.come_back(|_| {}).await.unwrap();
    place.evil.bend_discovery(|d| *d = Value::Null);
    place.house.clock.advance(std::time::Duration::from_secs(23 * 3600));
    session(place.come_back(|_| {}).await.unwrap());
    place.house.clock.advance(std::time::Duration::from_secs(2 * 3600));
    assert!(place.access.depart("company", None, None, false, &origin()).await.is_err());
}

// proves: ID-6, ID-17
#[tokio::test]
async fn a_second_factor_of_the_provider_counts_only_where_the_policy_says_so() {
    for (more, strong) in [("", false), ("trust_second_factor = true", true)] {
        let place = Place::new(more).await;
        let new = session(place.come_back(|f| f.claims["amr"] = json!(["pwd", "mfa"])).await.unwrap());
        assert_eq!(new.principal.strong(), strong);
        let new = session(place.come_back(|f| f.claims["amr"] = json!(["pwd"])).await.unwrap());
        assert!(!new.principal.strong());
    }
}

// proves: ID-6
#[tokio::test]
async fn who_has_the_address_here_is_not_taken_over_and_a_disabled_user_stays_out() {
    let place = Place::new("").await;
    // Made by an administrator, with rights that an address alone does not answer for.
    let ada = place.house.user("ada", &["manager"]).await;
    let refusal = place.come_back(|f| f.claims["email"] = "Ada@Tracker.example".into()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::LinkNeeded);
    assert!(place.house.store.identities_of(ada).await.unwrap().is_empty());
    assert_eq!(place.house.count("session.signed_in").await, 0);

    let new = session(place.come_back(|f| f.claims["sub"] = "bob".into()).await.unwrap());
    place.access.disable(new.principal.user(), None, &origin()).await.unwrap();
    let refusal = place.come_back(|f| f.claims["sub"] = "bob".into()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::SignInFailed);
    assert_eq!(place.house.count("session.signed_in").await, 1);
}

// Account pre-hijacking: somebody registers with another's address, and waits for them to come.
// proves: ID-6
#[tokio::test]
async fn the_owner_of_an_address_gets_the_account_that_a_squatter_made_with_it() {
    let place = Place::new("").await;
    let form =
        SignUp { name: "squatter".into(), email: Some("ada@example.com".into()), password: secret(GOOD) };
    place.access.sign_up(form, &origin()).await.unwrap();
    let sign_in = async || place.access.sign_in("squatter", &secret(GOOD), &origin(), None).await;
    let squatter = sign_in().await.unwrap().session().unwrap();
    // An address that the provider has not verified changes nothing for anybody.
    let other = session(place.come_back(|f| f.claims["email_verified"] = false.into()).await.unwrap());
    assert_ne!(other.principal.user(), squatter.principal.user());
    assert!(place.access.session(squatter.cookie.expose()).await.unwrap().is_some());

    let owner = session(place.come_back(|f| f.claims["sub"] = "ada-2".into()).await.unwrap());
    assert_eq!(owner.principal.user(), squatter.principal.user());
    assert!(place.access.session(squatter.cookie.expose()).await.unwrap().is_none(), "the squatter is out");
    assert_eq!(sign_in().await.unwrap_err().denial, Denial::SignInFailed, "and stays out");
    assert!(place.access.session(owner.cookie.expose()).await.unwrap().is_some());
}

// proves: ID-6, ID-17
#[tokio::test]
async fn an_address_gets_round_no_second_factor_but_a_squatters() {
    for (verify, taken_over) in [("verify = true", false), ("verify = false", true)] {
        let open = format!("{LIGHT}\n[identify.sign_up]\nopen = true\n{verify}");
        let place = Place::in_house(&open, "").await;
        let ada = place.house.user("ada", &["user"]).await;
        let add = palisade_store::FactorChange::AddTotp { sealed: vec![1], step: 1 };
        place.house.store.change_factors(ada, add, None, None, vec![]).await.unwrap();
        let arrived = place.come_back(|f| f.claims["email"] = "ada@tracker.example".into()).await;
        assert_eq!(place.house.store.factors(ada).await.unwrap().any(), !taken_over, "{verify}");
        assert_eq!(place.house.store.identities_of(ada).await.unwrap().is_empty(), !taken_over);
        match arrived {
            Ok(arrived) => assert!(taken_over && session(arrived).principal.user() == ada),
            Err(refusal) => assert!(!taken_over && refusal.denial == Denial::LinkNeeded, "{}", refusal.why),
        }
    }
}

// proves: ID-6
#[tokio::test]
async fn only_the_domains_of_the_policy_come_and_only_recent_proof_links() {
    let place = Place::new("domains = [\"example.org\"]").await;
    let refusal = place.come_back(|_| {}).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::ProviderAccount);
    let unverified = place.come_back(|f| {
        f.claims["email"] = "ada@example.org".into();
        f.claims["email_verified"] = false.into();
    });
    assert_eq!(unverified.await.unwrap_err().denial, Denial::ProviderAccount);
    assert_eq!(place.house.store.user_count().await.unwrap(), 0);
    let new = session(place.come_back(|f| f.claims["email"] = "ada@EXAMPLE.org".into()).await.unwrap());

    place.access.depart("company", None, Some(&new.principal), true, &origin()).await.unwrap();
    place.house.clock.advance(std::time::Duration::from_secs(11 * 60));
    let refusal =
        place.access.depart("company", None, Some(&new.principal), true, &origin()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::ProofNeeded);
    let nobody = place.access.depart("company", None, None, true, &origin()).await.unwrap_err();
    assert_eq!(nobody.denial, Denial::SignInRequired);
}

// proves: ID-4, ID-6, LIMIT-8
#[tokio::test]
async fn the_owner_hears_of_a_provider_sign_in_on_a_device_that_is_not_known() {
    let place = Place::new("").await;
    place.come_back(|_| {}).await.unwrap();
    place.house.clock.advance(std::time::Duration::from_secs(3600));
    // The device's cookie comes along when the browser leaves, and not when it comes back.
    let sign_in = async |device: Option<&Secret>| {
        let shown = Origin { device: device.cloned(), ..origin() };
        let away = place.leave_from(&shown).await;
        place.evil.says(Forged::good(COMPANY, &away.nonce, place.house.world.now()));
        session(place.arrive("company", &away).await.unwrap()).device
    };
    let told =
        async || place.access.claim_mail(std::time::Duration::from_secs(3600), 50).await.unwrap().len();
    let first = sign_in(None).await;
    assert_eq!(told().await, 1, "a new device");
    let second = sign_in(Some(&first)).await;
    assert_eq!(told().await, 0, "the device is known");
    let id = |device: &Secret| device.expose().split('.').next().unwrap().to_owned();
    assert_eq!(id(&second), id(&first), "and stays the same device for whoever else uses it");
    sign_in(Some(&secret("made up"))).await;
    sign_in(Some(&secret(&"A".repeat(4000)))).await;
    assert_eq!(told().await, 2, "what is made up counts for nothing");
}

/// People choose what a provider calls them: nobody gets another's name by it, nor one that only looks like it.
// proves: ID-1, ID-6
#[tokio::test]
async fn a_name_that_a_provider_tells_is_plain_and_nobody_elses() {
    let place = Place::new("").await;
    place.house.user("admin", &["admin"]).await;
    place.house.user("caf\u{e9}", &["user"]).await;
    let long = "a".repeat(4000);
    let told = [
        "admin",
        "ADMIN",
        " admin ",
        "\u{ff41}dmin",
        "\u{1d41a}dmin",
        "\u{430}dmin",
        "adm\u{456}n",
        "adm\u{200b}in",
        "admin\u{202e}",
        "\u{202e}nimda",
        "ad\u{ad}min",
        "admin\0",
        "admin\r\nBcc: mallory@example.com",
        "Cafe\u{301}",
        "CAF\u{c9}",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "\u{5d0}dmin",
        "---",
        "",
        &long,
    ];
    let mut names = vec!["admin".to_owned(), "caf\u{e9}".to_owned()];
    for (n, told) in told.iter().enumerate() {
        let come = place.come_back(|f| {
            f.claims["sub"] = format!("s{n}").into();
            f.claims["email_verified"] = false.into();
            f.claims["preferred_username"] = (*told).into();
        });
        let new = session(come.await.unwrap_or_else(|refusal| panic!("{told:.40?}: {refusal:?}")));
        let name = new.principal.name().to_owned();
        let plain = |c: char| c.is_alphanumeric() || ".-_+".contains(c);
        assert!(name.chars().all(plain) && name.chars().count() <= 64, "{told:.40?}: {name}");
        assert!(name.is_ascii() || told.to_lowercase().starts_with("caf"), "{told:.40?}: {name}");
        assert!(!names.contains(&name.to_lowercase()), "{told:.40?}: {name}");
        let user = place.house.store.user(new.principal.user()).await.unwrap().unwrap();
        assert_eq!(user.roles, ["user"], "{told:.40?}");
        names.push(name.to_lowercase());
    }
}

// proves: ID-6
#[tokio::test]
async fn an_account_elsewhere_that_is_anothers_is_not_linked_and_a_session_that_idled_out_links_none() {
    let place = Place::in_house(&format!("{LIGHT}\n[identify.sessions]\nidle = \"2m\""), "").await;
    let ada = session(place.come_back(|_| {}).await.unwrap());
    let bob = session(
        place
            .come_back(|f| {
                f.claims["sub"] = "bob".into();
                f.claims["email"] = "bob@example.com".into();
            })
            .await
            .unwrap(),
    );
    let rows = place.house.count("identity.linked").await;
    let away = async |who: &palisade_access::NewSession| {
        let departure =
            place.access.depart("company", None, Some(&who.principal), true, &origin()).await.unwrap();
        let (_, query) = departure.location.split_once('?').unwrap();
        let of = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
        };
        Away { cookie: departure.cookie, state: of("state"), nonce: of("nonce") }
    };
    let says = |away: &Away, subject: &str| {
        let mut forged = Forged::good(COMPANY, &away.nonce, place.house.world.now());
        forged.claims["sub"] = subject.into();
        place.evil.says(forged);
    };
    let going = away(&bob).await;
    says(&going, "ada");
    let refusal = place.arrive("company", &going).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::IdentityTaken);
    let going = away(&ada).await;
    says(&going, "ada-elsewhere");
    place.house.clock.advance(std::time::Duration::from_secs(121));
    let refusal = place.arrive("company", &going).await.unwrap_err();
    assert_eq!(
        (refusal.denial, &*refusal.why),
        (Denial::ProviderRefused, "the session that wanted the link is over")
    );
    assert_eq!(place.house.count("identity.linked").await, rows);
    assert_eq!(place.house.store.user_by_identity(COMPANY, "ada-elsewhere").await.unwrap(), None);
}

// proves: ID-6
#[tokio::test]
async fn where_newcomers_are_not_wanted_a_provider_brings_none() {
    let place = Place::new("sign_up = false").await;
    assert_eq!(place.come_back(|_| {}).await.unwrap_err().denial, Denial::SignUpClosed);
    assert_eq!(place.house.store.user_count().await.unwrap(), 0);
    // Nor does somebody get an account that waits unconfirmed, or one of a tenant.
    let ada = place.house.user("ada", &["user"]).await;
    let refusal = place.come_back(|f| f.claims["email"] = "ada@tracker.example".into()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::LinkNeeded);
    assert!(place.house.store.identities_of(ada).await.unwrap().is_empty());
    let open = Place::new("").await;
    let new = palisade_access::NewUser {
        name: "eva".into(),
        email: Some("eva@example.com".into()),
        tenant: palisade_model::TenantId::parse("acme"),
        ..Default::default()
    };
    let eva = open.access.create_user(new, None, &origin()).await.unwrap();
    let refusal = open.come_back(|f| f.claims["email"] = "eva@example.com".into()).await.unwrap_err();
    assert_eq!(refusal.denial, Denial::LinkNeeded, "one of a tenant");
    assert!(open.house.store.identities_of(eva).await.unwrap().is_empty());
}
