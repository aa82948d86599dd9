//! The bytes of an HTTP/1 connection: which of them may be read, and when.

use palisade_policy::section::edge::WireLimits;

use super::Violation;
use super::chunked::Chunked;
use super::head::{Facts, Framing, Head};

/// Follows the framing of one connection's inbound bytes. It sees no socket and no clock, so that the same bytes have
/// the same verdict however they were cut into pieces.
#[derive(Debug)]
pub struct Stream {
    limits: WireLimits,
    state: State,
    head: Head,
    /// Whether the message at hand is the connection's last.
    last: bool,
    heads: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before or in a head.
    Head,
    /// So many bytes of a body remain.
    Body(u64),
    /// In a chunked body.
    Chunked(Chunked),
    /// Behind a request for an upgrade: whether what follows is HTTP, the answer will say.
    Held,
    /// The last message was seen; nothing behind it is read.
    Finished,
    /// Another protocol: everything passes.
    Open,
}

/// How far the judgement came.
#[derive(Debug, PartialEq, Eq)]
pub struct Progress {
    /// So many bytes of the input may be read.
    pub released: usize,
    /// What is wrong with the bytes behind them.
    pub violation: Option<Violation>,
}

impl Stream {
    /// A new connection.
    #[must_use]
    pub fn new(limits: WireLimits) -> Self {
        Self { limits, state: State::Head, head: Head::default(), last: false, heads: 0 }
    }

    /// Judges `input`: all bytes that were received and not released yet.
    ///
    /// A head is released once it is whole and strict, a body as it comes. After a violation there is nothing more to
    /// ask.
    pub fn judge(&mut self, input: &[u8]) -> Progress {
        let mut released = 0;
        loop {
            let rest = input.get(released..).unwrap_or_default();
            if rest.is_empty() {
                return Progress { released, violation: None };
            }
            match self.step(rest) {
                Ok(0) => return Progress { released, violation: None },
                Ok(more) => released += more,
                Err((more, violation)) => {
                    return Progress { released: released + more, violation: Some(violation) };
                }
            }
        }
    }

    /// Judges the front of the input, up to the next change of state.
    fn step(&mut self, input: &[u8]) -> Result<usize, (usize, Violation)> {
        match self.state {
            State::Head => match self.head.advance(input, &self.limits) {
                Ok(Some((length, facts))) => {
                    self.begin(facts);
                    Ok(length)
                }
                Ok(None) => Ok(0),
                Err(violation) => Err((0, violation)),
            },
            State::Body(left) => {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                let left = left.saturating_sub(take as u64);
                self.state = if left == 0 { self.between() } else { State::Body(left) };
                Ok(take)
            }
            State::Chunked(mut body) => {
                let (take, done) = body.advance(input)?;
                self.state = if done { self.between() } else { State::Chunked(body) };
                Ok(take)
            }
            State::Held | State::Finished => Ok(0),
            State::Open => Ok(input.len()),
        }
    }

    /// A head is whole: what follows it?
    fn begin(&mut self, facts: Facts) {
        self.heads += 1;
        self.head = Head::default();
        self.last = facts.last;
        self.state = match facts.framing {
            _ if facts.upgrade => State::Held,
            Framing::Length(0) => self.between(),
            Framing::Length(length) => State::Body(length),
            Framing::Chunked => State::Chunked(Chunked::new()),
        };
    }

    /// A message is whole: what follows it?
    const fn between(&self) -> State {
        if self.last { State::Finished } else { State::Head }
    }

    /// How many requests were released.
    #[must_use]
    pub const fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the next byte belongs to a head, or to nothing yet.
    #[must_use]
    pub const fn in_head(&self) -> bool {
        matches!(self.state, State::Head)
    }

    /// Whether the next byte belongs to a body.
    #[must_use]
    pub const fn in_body(&self) -> bool {
        matches!(self.state, State::Body(_) | State::Chunked(_))
    }

    /// Whether input waits for the answer to an upgrade.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(self.state, State::Held)
    }

    /// Whether nothing more is read from this connection.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    /// Whether this is another protocol by now.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Whether the request at hand has the method HEAD, and its refusal no body.
    #[must_use]
    pub fn is_head_request(&self) -> bool {
        self.head.is_head()
    }

    /// The upgrade was granted, and the 101 is on its way: the other protocol begins. Only a held stream opens.
    pub fn open(&mut self) {
        if self.is_held() {
            self.state = State::Open;
        }
    }

    /// The upgrade was not granted. What follows may be meant for either protocol, so that none of it is read.
    pub const fn keep_shut(&mut self) {
        if self.is_held() {
            self.state = State::Finished;
        }
    }
}
