//! Content codings: read and written again as the page streams through.
//!
//! Memory is bounded whatever the coding unfolds to: the reader gives as much as was asked for and
//! no more, so a compressed bomb is met piece by piece.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::Level;
use async_compression::tokio::{bufread, write};
use axum::body::Body;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, header};
use http_body::Body as _;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::StreamReader;

/// A content coding (RFC 9110 section 8.4.1) that can be read and written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// None at all.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, and the bare RFC 1951 that some servers send under the same name.
    Deflate,
    /// RFC 7932.
    Brotli,
}

impl Coding {
    /// The names under which a client may ask for one.
    pub(super) const NAMES: [&'static str; 5] = ["gzip", "x-gzip", "deflate", "br", "identity"];

    /// The coding of a message; `None` for one that is not known here, or several on top of each other.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Some(Self::Identity) };
        if values.next().is_some() {
            return None;
        }
        Self::named(value)
    }

    fn named(value: &HeaderValue) -> Option<Self> {
        let name = value.to_str().ok()?.trim().to_ascii_lowercase();
        match name.as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            _ => None,
        }
    }
}

/// The bytes of a body as they came, with its trailers put aside.
pub(super) struct Source {
    body: Body,
    /// The trailers, once the body has ended.
    pub(super) trailers: Option<HeaderMap>,
    /// Whether any byte came at all, or an error.
    pub(super) began: bool,
}

impl Stream for Source {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => None,
                Some(Err(error)) => {
                    this.began = true;
                    Some(Err(io::Error::other(error)))
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => continue,
                    Ok(data) => {
                        this.began = true;
                        Some(Ok(data))
                    }
                    Err(frame) => {
                        this.trailers = frame.into_trailers().ok();
                        continue;
                    }
                },
            });
        }
    }
}

type Reader = StreamReader<Source, Bytes>;

/// A body with its coding taken off.
pub(super) enum Decoder {
    Plain(Reader),
    Gzip(Box<bufread::GzipDecoder<Reader>>),
    /// `deflate` before its first byte tells which of the two formats it is.
    Unclear(Option<Reader>),
    Zlib(Box<bufread::ZlibDecoder<Reader>>),
    Deflate(Box<bufread::DeflateDecoder<Reader>>),
    Brotli(Box<bufread::BrotliDecoder<Reader>>),
}

impl Decoder {
    pub(super) fn new(body: Body, coding: Coding) -> Self {
        let reader = StreamReader::new(Source { body, trailers: None, began: false });
        match coding {
            Coding::Identity => Self::Plain(reader),
            Coding::Gzip => {
                let mut decoder = bufread::GzipDecoder::new(reader);
                decoder.multiple_members(true);
                Self::Gzip(Box::new(decoder))
            }
            Coding::Deflate => Self::Unclear(Some(reader)),
            Coding::Brotli => Self::Brotli(Box::new(bufread::BrotliDecoder::new(reader))),
        }
    }

    /// Where the bytes come from. `None` only while the format is being found out.
    pub(super) fn source(&mut self) -> Option<&mut Source> {
        Some(match self {
            Self::Plain(reader) => reader.get_mut(),
            Self::Gzip(decoder) => decoder.get_mut().get_mut(),
            Self::Unclear(reader) => reader.as_mut()?.get_mut(),
            Self::Zlib(decoder) => decoder.get_mut().get_mut(),
            Self::Deflate(decoder) => decoder.get_mut().get_mut(),
            Self::Brotli(decoder) => decoder.get_mut().get_mut(),
        })
    }

    /// Reads plain bytes into `out`; none at the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Self::Unclear(reader) = self {
            let Some(waiting) = reader else { return Poll::Ready(Ok(())) };
            let first = ready!(Pin::new(waiting).poll_fill_buf(cx))?.first().copied();
            if let Some(reader) = reader.take() {
                // The low four bits of a zlib stream name its method, always 8 (RFC 1950 section 2.2).
                *self = if first.is_none_or(|byte| byte & 0x0f == 8) {
                    Self::Zlib(Box::new(bufread::ZlibDecoder::new(reader)))
                } else {
                    Self::Deflate(Box::new(bufread::DeflateDecoder::new(reader)))
                };
            }
        }
        match self {
            Self::Plain(reader) => Pin::new(reader).poll_read(cx, out),
            Self::Gzip(decoder) => Pin::new(decoder.as_mut()).poll_read(cx, out),
            Self::Unclear(_) => Poll::Ready(Ok(())),
            Self::Zlib(decoder) => Pin::new(decoder.as_mut()).poll_read(cx, out),
            Self::Deflate(decoder) => Pin::new(decoder.as_mut()).poll_read(cx, out),
            Self::Brotli(decoder) => Pin::new(decoder.as_mut()).poll_read(cx, out),
        }
    }
}

/// Puts the coding on again. Writes to memory, so it is always ready.
pub(super) enum Encoder {
    Plain(Vec<u8>),
    Gzip(Box<write::GzipEncoder<Vec<u8>>>),
    Zlib(Box<write::ZlibEncoder<Vec<u8>>>),
    Deflate(Box<write::DeflateEncoder<Vec<u8>>>),
    Brotli(Box<write::BrotliEncoder<Vec<u8>>>),
}

/// Good enough for pages that are made for one reader: little time, most of the gain.
const GZIP_LEVEL: Level = Level::Precise(5);
const BROTLI_LEVEL: Level = Level::Precise(4);

impl Encoder {
    /// The same format that the decoder found.
    pub(super) fn like(decoder: &Decoder) -> Self {
        match decoder {
            Decoder::Plain(_) => Self::Plain(Vec::new()),
            Decoder::Gzip(_) => {
                Self::Gzip(Box::new(write::GzipEncoder::with_quality(Vec::new(), GZIP_LEVEL)))
            }
            Decoder::Unclear(_) | Decoder::Zlib(_) => {
                Self::Zlib(Box::new(write::ZlibEncoder::with_quality(Vec::new(), GZIP_LEVEL)))
            }
            Decoder::Deflate(_) => {
                Self::Deflate(Box::new(write::DeflateEncoder::with_quality(Vec::new(), GZIP_LEVEL)))
            }
            Decoder::Brotli(_) => {
                Self::Brotli(Box::new(write::BrotliEncoder::with_quality(Vec::new(), BROTLI_LEVEL)))
            }
        }
    }

    /// What has been written and not yet taken.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Plain(out) => out,
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zlib(encoder) => encoder.get_mut(),
            Self::Deflate(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
        }
    }

    fn writer(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        let writer: &mut (dyn AsyncWrite + Send + Unpin) = match self {
            Self::Plain(out) => out,
            Self::Gzip(encoder) => encoder.as_mut(),
            Self::Zlib(encoder) => encoder.as_mut(),
            Self::Deflate(encoder) => encoder.as_mut(),
            Self::Brotli(encoder) => encoder.as_mut(),
        };
        Pin::new(writer)
    }

    /// Encodes all of `data`.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let written = at_once(self.writer().poll_write(cx, data))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            data = data.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes out what the coding still holds back, so that the reader can show it.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        at_once(self.writer().poll_flush(cx))
    }

    /// Ends the coding.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        at_once(self.writer().poll_shutdown(cx))
    }
}

/// Memory never makes a writer wait.
fn at_once<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
