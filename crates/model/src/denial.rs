//! The closed list of refusals.
//!
//! Whatever Palisade refuses, it refuses with one of these. Each has one row in [`Denial::facts`]:
//! the stage that says no, a stable code, a status, whose fault it is and what the client may read.
//! Why it happened goes to the log and the audit trail, never to the client (OBS-5).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// One step of a request's way, in the order of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Hosts, forwarded headers, request ids, ambiguous requests, the route row.
    Edge,
    /// CORS, rate limits, size and time limits, response headers.
    Shield,
    /// Credentials to a principal.
    Identify,
    /// Forged cross-site requests.
    Csrf,
    /// Roles, tenant and object rules to a permit.
    Authorize,
    /// Bodies, queries and paths against their schema.
    Inspect,
    /// What answers, once the stages let the request in.
    Service,
    /// The trail.
    Audit,
}

impl Stage {
    /// The name in codes, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Shield => "shield",
            Self::Identify => "identify",
            Self::Csrf => "csrf",
            Self::Authorize => "authorize",
            Self::Inspect => "inspect",
            Self::Service => "service",
            Self::Audit => "audit",
        }
    }
}

/// Whose fault a refusal is: it decides the log level and what an operator is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client asked for something it may not have, or asked wrongly.
    Client,
    /// Palisade, its store or its configuration.
    Server,
    /// The application behind Palisade.
    Upstream,
}

/// What is known of a denial beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The stage that says no.
    pub stage: Stage,
    /// Stable, for programs: `stage.reason`.
    pub code: &'static str,
    /// The HTTP status, unless the policy chooses another.
    pub status: u16,
    /// Whose fault.
    pub fault: Fault,
    /// One short line for people.
    pub title: &'static str,
    /// What to do instead, for people. Says nothing of how the server is made.
    pub detail: &'static str,
}

macro_rules! denials {
    ($($(#[$doc:meta])* $name:ident = $stage:ident $code:literal $status:literal $fault:ident $title:literal $detail:literal;)*) => {
        /// A refusal. The list is closed: a new reason to refuse is a new row here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Denial { $($(#[$doc])* $name,)* }

        impl Denial {
            /// Every denial, in the order of the stages.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What is known of this denial.
            #[must_use]
            pub const fn facts(self) -> Facts {
                match self { $(Self::$name => Facts {
                    stage: Stage::$stage, code: $code, status: $status, fault: Fault::$fault,
                    title: $title, detail: $detail,
                },)* }
            }
        }
    };
}

denials! {
    /// A request that two readers could understand differently (EDGE-6).
    Ambiguous = Edge "edge.ambiguous" 400 Client
        "Bad request" "The request could be read in more than one way. Send it in the standard form.";
    /// Not HTTP as RFC 9112 and RFC 9113 have it.
    Malformed = Edge "edge.malformed" 400 Client
        "Bad request" "The request is not well-formed HTTP.";
    /// A path with encoded separators, dot segments or control bytes (EDGE-6).
    PathUnsafe = Edge "edge.path" 400 Client
        "Bad request" "The path holds dot segments, encoded separators or control characters. Send it normalised.";
    /// A header that asks for another method than the request line does.
    MethodOverride = Edge "edge.method_override" 400 Client
        "Bad request" "Method override headers are not accepted. Send the request with the method itself.";
    /// CONNECT, TRACE and unknown methods.
    MethodUnsupported = Edge "edge.method_unsupported" 501 Client
        "Not implemented" "This method is not supported.";
    /// An HTTP version that is not spoken here.
    VersionUnsupported = Edge "edge.version" 505 Client
        "HTTP version not supported" "Use HTTP/1.1 or HTTP/2.";
    /// An Expect header that is not `100-continue` (RFC 9110 section 10.1.1).
    ExpectationUnknown = Edge "edge.expectation" 417 Client
        "Expectation failed" "Only '100-continue' can be expected.";
    /// A Host that is not served here (EDGE-2).
    HostUnknown = Edge "edge.host" 421 Client
        "Misdirected request" "This server does not answer for that host.";
    /// The request line is too long (EDGE-5).
    UriTooLong = Edge "edge.uri_length" 414 Client
        "Address too long" "Shorten the address of the request.";
    /// The header fields are too many or too long (EDGE-5).
    HeadersTooLarge = Edge "edge.header_size" 431 Client
        "Header fields too large" "Send fewer or shorter header fields.";
    /// The body is longer than the route takes (EDGE-5).
    BodyTooLarge = Edge "edge.body_size" 413 Client
        "Body too large" "Send a smaller body.";
    /// The body ended before its announced length.
    BodyIncomplete = Edge "edge.body_incomplete" 400 Client
        "Bad request" "The body ended too early. Send it again.";
    /// The request took too long to arrive (EDGE-5).
    RequestTimeout = Edge "edge.timeout" 408 Client
        "Request timeout" "The request took too long to arrive. Send it again.";
    /// Too many connections, in all or from one address (EDGE-5).
    TooManyConnections = Edge "edge.connections" 503 Client
        "Too many connections" "Close some connections, or try again later.";
    /// The server is shutting down.
    Draining = Edge "edge.draining" 503 Server
        "Shutting down" "Try again in a moment.";
    /// No route has this path: deny by default (ACC-1).
    RouteUnknown = Edge "edge.route" 404 Client
        "Not found" "There is nothing at this address.";
    /// The route does not take this method (CSRF-6).
    MethodNotAllowed = Edge "edge.method" 405 Client
        "Method not allowed" "This address does not take that method. See the Allow header.";

    /// The address is in a refused range (LIMIT-5).
    AddressRefused = Shield "shield.address" 403 Client
        "Forbidden" "Requests from your network are not accepted.";
    /// A preflight for an origin, method or header that is not listed (CORS-1).
    CorsRefused = Shield "shield.cors" 403 Client
        "Forbidden" "This origin may not make that request.";
    /// Over a rate limit (LIMIT-2).
    RateLimited = Shield "shield.limit" 429 Client
        "Too many requests" "Too many requests came from you. Wait a little, and try again.";

    /// A bearer token that is expired, revoked, forged or malformed (ID-9).
    CredentialInvalid = Identify "identify.credential" 401 Client
        "Not signed in" "The token or session is wrong, used or run out. Send another token, or sign in again.";
    /// A token in an address that takes none there: histories, logs and Referer fields would keep it.
    TokenMisplaced = Identify "identify.token_place" 401 Client
        "Token in the address" "Tokens are not taken from addresses: send it as 'Authorization: Bearer'.";
    /// Wrong password, unknown user, disabled user: one answer for all (ID-1).
    SignInFailed = Identify "identify.sign_in" 401 Client
        "Sign-in failed" "The name or the password is wrong.";
    /// The first proof is given, and the second is still to come (ID-17).
    SecondFactorNeeded = Identify "identify.second_factor" 401 Client
        "Second step needed" "Sign in on the sign-in page, and take the second step there.";
    /// A second factor that is wrong or was used before (ID-17).
    FactorWrong = Identify "identify.factor" 401 Client
        "That did not work" "The code is wrong, or was used already. Try the next one.";
    /// A sign-in that waited too long for its second factor, or was tried too often (ID-17).
    TicketInvalid = Identify "identify.ticket" 401 Client
        "Sign in again" "This sign-in has taken too long, or was tried too often. Begin again.";
    /// Something sensitive, and the last proof of who asks is too long ago (ID-17).
    ProofNeeded = Identify "identify.proof" 401 Client
        "Confirm that it is you" "Confirm who you are, then try again.";
    /// What came back from a provider is not as it must be, or not for this browser (ID-6).
    ProviderRefused = Identify "identify.provider" 400 Client
        "Sign-in was not completed" "The answer of the other site could not be used. Start again from the sign-in page.";
    /// Whoever was sent to a provider said no there (ID-6).
    ProviderCancelled = Identify "identify.provider_cancelled" 400 Client
        "You did not finish at the other site" "Start again from the sign-in page, or sign in another way.";
    /// The account elsewhere is none that may sign in here (ID-6).
    ProviderAccount = Identify "identify.provider_account" 403 Client
        "Not with that account" "Your account at the other site may not sign in here. Choose another one, or ask an administrator.";
    /// An account has that address already: it is linked by its owner alone (ID-6).
    LinkNeeded = Identify "identify.link_needed" 409 Client
        "You have an account here already" "Sign in to it the way you did until now. Then link the account of the other site on your account page.";
    /// The account elsewhere is linked to somebody else (ID-6).
    IdentityTaken = Identify "identify.identity_taken" 409 Client
        "Linked already" "That account of the other site is linked to another account here. Unlink it there first.";
    /// Unlinking would lock its owner out (ID-6).
    LastWayIn = Identify "identify.last_way" 409 Client
        "Your last way in" "Set a password first, or nothing would let you sign in any more.";
    /// The provider cannot be asked (ID-6).
    ProviderUnavailable = Identify "identify.provider_down" 502 Upstream
        "The other site does not answer" "Try again in a moment, or sign in another way.";
    /// Too many failed attempts from an address, or on a known device (LIMIT-3). An account that is locked is never told
    /// so: it reads as [`Denial::SignInFailed`].
    LockedOut = Identify "identify.lockout" 429 Client
        "Too many failed attempts" "Too many attempts failed. Wait before the next one.";
    /// Nobody can register here.
    SignUpClosed = Identify "identify.sign_up" 403 Client
        "Registration is closed" "Ask an administrator for an account.";
    /// A one-time link that was used, ran out or never was.
    LinkInvalid = Identify "identify.link" 410 Client
        "Link not valid" "The link was already used or has run out. Ask for a new one.";
    /// Something that needs a letter, where no mail is sent (ID-4).
    MailOff = Identify "identify.mail_off" 403 Client
        "No mail is sent from here" "Ask an administrator for a link to set your password.";
    /// All hashing workers are busy and the queue is full (ID-3).
    HashingBusy = Identify "identify.busy" 503 Server
        "Busy" "Too many people are signing in. Try again in a moment.";
    /// A link with a token was opened by somebody who is signed in as another.
    CredentialClash = Identify "identify.clash" 409 Client
        "Signed in as somebody else" "Sign out first, then open the link again.";
    /// Users cannot make API keys here, or have as many as they may (ID-16).
    KeysClosed = Identify "identify.keys" 403 Client
        "No more keys" "You cannot make another key. End one that you do not need, or ask an administrator.";
    /// Whether a credential was revoked cannot be known: closed (design, What fails).
    IdentityUnavailable = Identify "identify.unavailable" 503 Server
        "Unavailable" "Sign-in cannot be checked at the moment. Try again later.";

    /// No CSRF token, or not this session's (CSRF-1). The policy may choose 400.
    CsrfToken = Csrf "csrf.token" 403 Client
        "Request refused" "The form has expired or did not come from this site. Reload the page and try again.";
    /// Origin or Referer is not the site's own (CSRF-1).
    CsrfOrigin = Csrf "csrf.origin" 403 Client
        "Request refused" "The request did not come from this site.";

    /// Nobody is signed in (ACC-2).
    SignInRequired = Authorize "authorize.sign_in" 401 Client
        "Sign-in required" "Sign in and try again.";
    /// Signed in, and not allowed (ACC-2).
    Forbidden = Authorize "authorize.role" 403 Client
        "Forbidden" "You are not allowed to do this.";
    /// Allowed to the user, and not to the token that was shown (ID-16).
    OutOfScope = Authorize "authorize.scope" 403 Client
        "Forbidden" "This token may not be used for that. Make one with the scope that you need.";
    /// What would outlive a breakglass session: tokens, users, roles, passwords (ID-13).
    Boxed = Authorize "authorize.boxed" 403 Client
        "Not in a breakglass session" "A breakglass session cannot change users, passwords or tokens. Use the command line on the host.";
    /// Not allowed, and the policy hides that it exists (ACC-2).
    Hidden = Authorize "authorize.hidden" 404 Client
        "Not found" "There is nothing at this address.";
    /// Signed in with a password that is older than the policy allows: only the account's own pages are
    /// open until it is changed (ID-2).
    PasswordExpired = Authorize "authorize.password_age" 403 Client
        "Password has run out" "Change your password on your account page, then try again.";
    /// Signed in without the second factor that the role or the tenant needs: only the pages to set one up are open (ID-17).
    FactorRequired = Authorize "authorize.factor" 403 Client
        "Two-step sign-in needed" "Your account needs two-step sign-in. Set it up on your account pages, then try again.";
    /// A tenant header that is not the principal's own tenant (ACC-3).
    TenantMismatch = Authorize "authorize.tenant" 403 Client
        "Forbidden" "You are not allowed to do this.";

    /// Input that does not fit; the fields say where (VAL-1).
    InvalidInput = Inspect "inspect.fields" 422 Client
        "Some fields need another look" "Correct the named fields and send it again.";
    /// A body that says what it is and cannot be read as that (VAL-1).
    BodyMalformed = Inspect "inspect.body" 400 Client
        "Bad request" "Send a form, or one flat JSON object whose values are texts, true or false.";
    /// A body in a form that the route does not read.
    MediaType = Inspect "inspect.media_type" 415 Client
        "Unsupported media type" "Send JSON or a form.";

    /// No connection to the application.
    UpstreamUnreachable = Service "service.unreachable" 502 Upstream
        "Bad gateway" "The application cannot be reached. Try again later.";
    /// The application's answer was not HTTP, or it died before answering.
    UpstreamInvalid = Service "service.invalid" 502 Upstream
        "Bad gateway" "The application did not answer properly. Try again later.";
    /// All connections to the application are taken.
    UpstreamBusy = Service "service.busy" 503 Upstream
        "Busy" "The application is busy. Try again in a moment.";
    /// The application took too long.
    UpstreamTimeout = Service "service.timeout" 504 Upstream
        "Gateway timeout" "The application took too long. Try again later.";
    /// The store cannot be reached.
    StoreUnavailable = Service "service.store" 503 Server
        "Unavailable" "The service is not available at the moment. Try again later.";
    /// A fault of Palisade's own.
    Internal = Service "service.internal" 500 Server
        "Internal error" "Something went wrong. The request id helps to find out what.";

    /// The change could not be recorded, so it was not made: no audit, no change.
    AuditUnavailable = Audit "audit.unavailable" 503 Server
        "Unavailable" "The change could not be recorded, so it was not made. Try again later.";
    /// The client left before the answer was whole.
    Abandoned = Audit "audit.abandoned" 499 Client
        "Client closed the connection" "The connection was closed before the answer was complete.";
}

/// One fault in one input field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FieldFault {
    /// The field's name as the client knows it.
    pub field: Cow<'static, str>,
    /// What to write instead.
    pub message: Cow<'static, str>,
}

impl FieldFault {
    /// This is wrong with that field.
    pub fn new(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// A denial as it happened to one request.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Which.
    pub denial: Denial,
    /// Another status than the usual, where the policy says so.
    pub status: Option<u16>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The methods that the route does take, for 405.
    pub allow: Option<String>,
    /// What is wrong in which field, for 422.
    pub fields: Vec<FieldFault>,
    /// Why: for the log and the trail alone.
    pub why: Cow<'static, str>,
    /// What happened besides, if that is worth more than the refusal: the events log then tells of it by this name.
    pub alarm: Option<Box<Alarm>>,
}

/// What a refusal brought about: for the events log alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The event's name.
    pub event: &'static str,
    /// Its circumstances. Nothing secret.
    pub facts: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal with the reason that the log shows. `why` must hold nothing secret.
    pub fn new(denial: Denial, why: impl Into<Cow<'static, str>>) -> Self {
        Self {
            denial,
            status: None,
            retry_after: None,
            allow: None,
            fields: Vec::new(),
            why: why.into(),
            alarm: None,
        }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same with a time to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The same, told as this event.
    #[must_use]
    pub fn alarming(mut self, alarm: Option<Alarm>) -> Self {
        self.alarm = alarm.map(Box::new);
        self
    }

    /// Input that does not fit, with what to write instead.
    #[must_use]
    pub fn fields(fields: Vec<FieldFault>) -> Self {
        Self { fields, ..Self::new(Denial::InvalidInput, "input does not fit") }
    }

    /// The same for one field.
    #[must_use]
    pub fn field(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::fields(vec![FieldFault::new(field, message)])
    }

    /// The status that the client gets.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.unwrap_or(self.denial.facts().status)
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self::new(denial, denial.facts().title)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.denial.facts().code, self.why)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_carry_their_stage() {
        let mut seen = HashSet::new();
        for denial in Denial::ALL {
            let facts = denial.facts();
            assert!(seen.insert(facts.code), "{} twice", facts.code);
            assert!(facts.code.starts_with(facts.stage.name()), "{}", facts.code);
            assert!((400..600).contains(&facts.status), "{}", facts.code);
            assert_eq!(
                facts.status >= 500,
                facts.fault != Fault::Client || matches!(facts.status, 501 | 503 | 505),
                "{}",
                facts.code
            );
        }
    }

    // proves: ACC-2
    #[test]
    fn hidden_reads_exactly_like_nothing_there() {
        let (hidden, nothing) = (Denial::Hidden.facts(), Denial::RouteUnknown.facts());
        assert_eq!(
            (hidden.status, hidden.title, hidden.detail),
            (nothing.status, nothing.title, nothing.detail)
        );
    }
}
