//! The end of every request's course: what is written down, and that nothing goes unseen.
//!
//! A [`Watch`] is opened with the request and closes with the last byte of its answer. If it goes before that, the
//! client left or the application broke off, and that is written down as well. Each refusal leaves exactly one line in
//! the events log; each state-changing request that is let through leaves its audit row before the
//! application hears of it: no audit, no change.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use palisade_model::{Action, AuditEvent, Denial, Fault, Refusal, SecurityEvent};
use palisade_policy::section::authorize::Who;
use palisade_policy::section::route::{Route, Target};
use serde_json::Value;

use super::{authorize, identify};
use crate::course::Course;
use crate::gate::Gate;
use crate::trail::mask;
use crate::{BrokeGlass, CredentialEnded, KeyRotated, SignedIn};

/// Records a change before the application is asked for it.
///
/// # Errors
/// `AuditUnavailable`: then it is not asked.
pub(crate) async fn record_change(gate: &Gate, course: &Course, route: &Route) -> Result<(), Refusal> {
    let changes = !course.method.is_safe() && matches!(route.target, Target::Upstream { .. });
    if !changes || !gate.policy().audit.record_changes {
        return Ok(());
    }
    let mut row = AuditEvent::new(Action::RequestChanged, "request", route.path.as_str())
        .from(&course.origin())
        .change("method", Value::Null, course.method.as_str())
        .change("path", Value::Null, mask::path(course.uri.path()));
    if let Some(principal) = &course.principal {
        row = row.by(principal.user());
        row.email = Some(authorize::name(principal));
        row.tenant = principal.tenant().cloned();
    }
    Box::pin(gate.parts().trail.record(row)).await
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Its last byte was handed over.
    Whole,
    /// Whoever was giving it broke off.
    Broken,
    /// It was ended from here, as whoever asked for it may not have the rest.
    Ended,
    /// Whoever was reading it left.
    Abandoned,
}

/// Sees a request to its end.
pub(crate) struct Watch {
    gate: Gate,
    pub(crate) course: Course,
    status: Option<StatusCode>,
    bytes: u64,
    /// An answer without an end of its own: leaving it is how it ends.
    endless: bool,
    ended: bool,
}

impl Watch {
    pub(crate) fn new(gate: Gate, course: Course) -> Self {
        Self { gate, course, status: None, bytes: 0, endless: false, ended: false }
    }

    /// Writes down that the request was refused.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        let facts = refusal.denial.facts();
        self.course.refused = Some(refusal.denial);
        self.gate.parts().metrics.refused(refusal.denial);
        let name = match refusal.denial {
            _ if let Some(alarm) = &refusal.alarm => alarm.event,
            Denial::LockedOut => "locked_out",
            Denial::RateLimited => "rate_limited",
            Denial::SignInFailed => "sign_in_failed",
            // Somebody holds a token that its owner has used already: the one case that is worth waking up for.
            Denial::CredentialInvalid if refusal.why == palisade_access::TOKEN_REUSED => {
                "refresh_token_reused"
            }
            Denial::CredentialInvalid if identify::token::is_spent(refusal) => "breakglass_refused",
            _ => "request_refused",
        };
        self.event(name, refusal, refusal.status());
        let (id, code, why) = (self.course.id.as_str(), facts.code, refusal.why.as_ref());
        match facts.fault {
            Fault::Client => tracing::debug!(request_id = id, code, why, "refused"),
            Fault::Upstream => tracing::warn!(request_id = id, code, why, "the application failed"),
            Fault::Server => tracing::error!(request_id = id, code, why, "could not serve"),
        }
    }

    fn event(&self, name: &'static str, refusal: &Refusal, status: u16) {
        let (course, facts) = (&self.course, refusal.denial.facts());
        let mut event = SecurityEvent::new(self.gate.parts().world.now(), name)
            .with("request_id", course.id.as_str())
            .with("stage", facts.stage.name())
            .with("code", facts.code)
            .with("status", status)
            .with("why", refusal.why.as_ref())
            .with("method", course.method.as_str())
            .with("route", self.route().map_or(Value::Null, |route| route.path.as_str().into()))
            .with("path", self.path())
            .with("ip", course.client.to_string());
        if let Some(principal) = &course.principal {
            event = event.with("user", principal.user().to_string());
        }
        for (key, value) in refusal.alarm.iter().flat_map(|alarm| &alarm.facts) {
            event = event.with(key, value.as_str());
        }
        self.gate.parts().trail.event(&event);
    }

    fn route(&self) -> Option<&Route> {
        self.gate.policy().routes.rows.get(self.course.route?)
    }

    fn path(&self) -> String {
        mask::shown(self.route(), self.course.uri.path())
    }

    /// Sends the answer off, and stays with it.
    pub(crate) fn answer(mut self, response: Response<Body>) -> Response<Body> {
        let now = self.gate.parts().world.now();
        self.status = Some(response.status());
        self.course.took = Some(now.since(self.course.started));
        if response.extensions().get::<SignedIn>().is_some() {
            self.gate.parts().metrics.signed_in();
        }
        if let Some(BrokeGlass(principal)) = response.extensions().get::<BrokeGlass>() {
            identify::token::broken(&self.gate, &self.course, principal);
        }
        if let Some(rotated) = response.extensions().get::<KeyRotated>() {
            let (course, event) = (&self.course, rotated.event(now));
            let event = event.with("request_id", course.id.as_str()).with("ip", course.client.to_string());
            let user = course.principal.as_ref().map(|principal| principal.user().to_string());
            self.gate.parts().trail.event(&event.with("user", user));
        }
        self.endless = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let bodiless = self.course.method == Method::HEAD
            || matches!(
                response.status(),
                StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        if bodiless || response.body().is_end_stream() {
            self.end(Ending::Whole);
            return response;
        }
        let (parts, inner) = response.into_parts();
        let announced = inner.size_hint().exact();
        Response::from_parts(parts, Body::new(Watched { inner, announced, watch: self }))
    }

    /// An answer that is written as bytes, at once.
    pub(crate) fn spoken(mut self, status: StatusCode) {
        self.status = Some(status);
        self.course.took = Some(self.gate.parts().world.now().since(self.course.started));
        self.end(Ending::Whole);
    }

    fn end(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let ending = if self.endless && ending == Ending::Abandoned { Ending::Whole } else { ending };
        let status = self.status.map_or(Denial::Abandoned.facts().status, |status| status.as_u16());
        let route = self.route();
        let admin =
            route.is_some_and(|route| matches!(authorize::who(route, &self.course.method), Who::Roles(_)));
        let metrics = &self.gate.parts().metrics;
        metrics.request(admin);
        if let (Some(status), Some(took)) = (self.status, self.course.took) {
            metrics.answered(self.course.route, status, took);
        }
        match (ending, self.course.refused) {
            // A refusal has its line already, read to the end or not.
            (Ending::Whole, _) | (_, Some(_)) => {}
            (Ending::Abandoned, None) => {
                metrics.refused(Denial::Abandoned);
                let refusal = Refusal::new(Denial::Abandoned, "the client left before the answer was whole");
                self.event("request_abandoned", &refusal, status);
            }
            (Ending::Ended, None) => {
                metrics.refused(Denial::CredentialInvalid);
                let why = "the credential ended while its answer was still running";
                self.event("answer_ended", &Refusal::new(Denial::CredentialInvalid, why), status);
            }
            (Ending::Broken, None) => {
                metrics.refused(Denial::UpstreamInvalid);
                let refusal = Refusal::new(Denial::UpstreamInvalid, "the answer broke off");
                self.event("answer_broken", &refusal, status);
            }
        }
        self.log(status, ending);
    }

    fn log(&self, status: u16, ending: Ending) {
        let course = &self.course;
        let duration = self.gate.parts().world.now().since(course.started);
        tracing::info!(
            target: "palisade::access",
            request_id = course.id.as_str(),
            method = course.method.as_str(),
            route = self.route().map_or("-", |route| route.path.as_str()),
            path = self.path(),
            status,
            duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            bytes = self.bytes,
            client = %course.client,
            user = course.principal.as_ref().map(|principal| tracing::field::display(principal.user())),
            refused = course.refused.map(|denial| denial.facts().code),
            ending = match ending {
                Ending::Whole => "whole",
                Ending::Broken => "broken",
                Ending::Ended => "ended",
                Ending::Abandoned => "abandoned",
            },
            "request"
        );
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end(Ending::Abandoned);
    }
}

/// How an answer ended whose body broke off with that error.
fn ending_of(error: &axum::Error) -> Ending {
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    if causes.any(|cause| cause.is::<CredentialEnded>()) { Ending::Ended } else { Ending::Broken }
}

/// The answer's body, with the watch that ends when it does.
struct Watched {
    inner: Body,
    /// The whole length, where it is known: a server stops reading there.
    announced: Option<u64>,
    watch: Watch,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                self.watch.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if self.announced == Some(self.watch.bytes) || self.inner.is_end_stream() {
                    self.watch.end(Ending::Whole);
                }
            }
            Some(Err(error)) => self.watch.end(ending_of(error)),
            None => self.watch.end(Ending::Whole),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
