//! As much of multipart/form-data as a demonstration needs: the first file's name and size.

use memchr::memmem;

/// The name and the size of the first part that has a file name.
pub(super) fn first_file(content_type: &str, body: &[u8]) -> Option<(String, usize)> {
    let (_, boundary) = content_type.split_once("boundary=")?;
    let delimiter = format!("--{}", boundary.trim_matches('"'));
    let starts: Vec<usize> = memmem::find_iter(body, delimiter.as_bytes()).collect();
    starts.windows(2).find_map(|pair| match pair {
        [start, end] => part(body.get(start + delimiter.len()..*end)?),
        _ => None,
    })
}

fn part(part: &[u8]) -> Option<(String, usize)> {
    let blank = memmem::find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(part.get(..blank)?).ok()?;
    let (_, rest) = head.split_once("filename=\"")?;
    let (name, _) = rest.split_once('"')?;
    let content = part.get(blank + 4..)?;
    let content = content.strip_suffix(b"\r\n").unwrap_or(content);
    (!name.is_empty()).then(|| (name.to_owned(), content.len()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_file_is_found_behind_other_fields() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"plan.pdf\"\r\n\r\nabcde\r\n--x--\r\n";
        let found = super::first_file("multipart/form-data; boundary=x", body);
        assert_eq!(found, Some(("plan.pdf".to_owned(), 5)));
        assert_eq!(super::first_file("text/plain", body), None);
    }
}
