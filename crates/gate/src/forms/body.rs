//! The body of a page that is rewritten as it streams through.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::ReadBuf;

use super::coding::{Coding, Decoder, Encoder};
use super::markup::Markup;

/// Read at a time, in plain bytes.
const PIECE: usize = 16 << 10;
/// A frame goes out when it has grown to this, or when the application pauses.
const FRAME: usize = 16 << 10;
/// Plain bytes in one go; then other tasks have their turn, however far a bomb unfolds.
const TURN: usize = 1 << 20;

enum Phase {
    /// The page is coming.
    Page,
    /// The page is over; what the upstream still sends is not part of it.
    Rest,
    /// Nothing comes any more.
    Over,
}

/// A page, decoded, rewritten and encoded again.
pub(super) struct Rewritten {
    decoder: Decoder,
    encoder: Option<Encoder>,
    markup: Markup,
    piece: Box<[u8]>,
    /// The encoder may hold bytes back that the reader could already show.
    held: bool,
    phase: Phase,
}

impl Rewritten {
    pub(super) fn new(body: Body, coding: Coding, markup: Markup) -> Self {
        Self {
            decoder: Decoder::new(body, coding),
            encoder: None,
            markup,
            piece: vec![0; PIECE].into_boxed_slice(),
            held: false,
            phase: Phase::Page,
        }
    }

    /// Reads one piece, rewrites and encodes it. Ready with its length; 0 at the end of the page.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(&mut self.piece);
        match ready!(self.decoder.poll_read(cx, &mut read)) {
            Ok(()) => {}
            // A coding of nothing at all: some servers send empty bodies that way.
            Err(_) if self.decoder.source().is_some_and(|source| !source.began) => {
                return Poll::Ready(Ok(0));
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
        let length = read.filled().len();
        let page = if length == 0 { self.markup.end() } else { self.markup.write(read.filled()) };
        let encoder = self.encoder.get_or_insert_with(|| Encoder::like(&self.decoder));
        if !page.is_empty() {
            encoder.write(cx, &page)?;
            self.held = true;
        }
        if length == 0 {
            encoder.finish(cx)?;
            self.held = false;
        }
        Poll::Ready(Ok(length))
    }

    fn take_output(&mut self) -> Option<Bytes> {
        let output = self.encoder.as_mut().map(Encoder::output)?;
        (!output.is_empty()).then(|| Bytes::from(std::mem::take(output)))
    }

    fn has_frame(&mut self) -> bool {
        self.encoder.as_mut().is_some_and(|encoder| encoder.output().len() >= FRAME)
    }

    /// The application pauses: let the reader have what there is.
    fn flushed(&mut self, cx: &mut Context<'_>) -> io::Result<Option<Bytes>> {
        if std::mem::take(&mut self.held)
            && let Some(encoder) = &mut self.encoder
        {
            encoder.flush(cx)?;
        }
        Ok(self.take_output())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut turn = TURN;
        while matches!(self.phase, Phase::Page) {
            match self.poll_piece(cx) {
                Poll::Ready(Ok(0)) => self.phase = Phase::Rest,
                Poll::Ready(Ok(length)) => turn = turn.saturating_sub(length),
                Poll::Ready(Err(error)) => {
                    self.phase = Phase::Over;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Pending => {
                    return match self.flushed(cx) {
                        Ok(Some(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
                        Ok(None) => Poll::Pending,
                        Err(error) => Poll::Ready(Some(Err(error))),
                    };
                }
            }
            if self.has_frame()
                && let Some(data) = self.take_output()
            {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if turn == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        if let Some(data) = self.take_output() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        self.poll_rest(cx)
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(source) = self.decoder.source().filter(|_| matches!(self.phase, Phase::Rest)) else {
            return Poll::Ready(None);
        };
        while let Some(surplus) = ready!(Pin::new(&mut *source).poll_next(cx)) {
            if let Err(error) = surplus {
                self.phase = Phase::Over;
                return Poll::Ready(Some(Err(error)));
            }
        }
        let trailers = source.trailers.take();
        self.phase = Phase::Over;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

impl HttpBody for Rewritten {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.get_mut().poll(cx).map(|frame| frame.map(|frame| frame.map_err(axum::Error::new)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
