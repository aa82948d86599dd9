//! Another reader, made of `httparse` and a few lines: which requests does it find in what was released?

/// What it found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// `GET /path [body]` of each whole request.
    pub whole: Vec<String>,
    /// Whether a request with half a body follows.
    pub half: bool,
}

impl Found {
    /// How many heads there were.
    pub fn heads(&self) -> u64 {
        (self.whole.len() + usize::from(self.half)) as u64
    }
}

/// Reads all of it. `Err` when some of it is no request.
pub fn read(mut bytes: &[u8]) -> Result<Found, String> {
    let mut found = Found::default();
    while !bytes.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            other => return Err(format!("{other:?} at {}", bytes.escape_ascii())),
        };
        let after = &bytes[length..];
        let field = |name: &str| {
            let mut all = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            let value =
                all.next().map(|field| String::from_utf8_lossy(field.value).trim().to_ascii_lowercase());
            assert!(all.next().is_none(), "two of {name}");
            value
        };
        let body = match (field("content-length"), field("transfer-encoding")) {
            (None, None) => Some((Vec::new(), after)),
            (Some(length), None) => {
                after.split_at_checked(length.parse().unwrap()).map(|(b, rest)| (b.to_vec(), rest))
            }
            (None, Some(coding)) if coding == "chunked" => chunked(after),
            framing => return Err(format!("framed by {framing:?}")),
        };
        let Some((body, rest)) = body else {
            found.half = true;
            return Ok(found);
        };
        let mut note = format!("{} {}", request.method.unwrap(), origin(request.path.unwrap()));
        if !body.is_empty() {
            note.push_str(&format!(" [{}]", body.escape_ascii()));
        }
        found.whole.push(note);
        bytes = rest;
    }
    Ok(found)
}

/// The target without its scheme and authority.
fn origin(target: &str) -> &str {
    match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    }
}

/// The data of a chunked body and what follows it; `None` while it is not whole.
fn chunked(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut data = Vec::new();
    loop {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let size = u64::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        bytes = &bytes[end + 2..];
        let size = usize::try_from(size).unwrap();
        let (chunk, rest) = bytes.split_at_checked(size)?;
        data.extend_from_slice(chunk);
        bytes = rest.get(2..)?;
        assert!(rest.starts_with(b"\r\n"), "a trailer, or a chunk longer than it said");
        if size == 0 {
            return Some((data, bytes));
        }
    }
}
