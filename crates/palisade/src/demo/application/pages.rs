//! The board's pages.

use std::fmt::Write as _;

use super::{Notice, Upload};

fn frame(title: &str, reader: Option<&str>, body: &str) -> String {
    let who = reader.map_or_else(|| "nobody in particular".to_owned(), escaped);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} - Harbour board</title>\n\
         <link rel=\"stylesheet\" href=\"/board.css\">\n</head>\n<body>\n\
         <header><div><strong>Harbour board</strong><a href=\"/\">Notices</a><a href=\"/files\">Files</a>\
         <a href=\"/admin\">Administration</a></div></header>\n<main>\n<h1>{title}</h1>\n{body}</main>\n\
         <footer>You are {who}.</footer>\n</body>\n</html>\n"
    )
}

pub(super) fn index(notices: &[Notice], reader: Option<&str>) -> String {
    let author = if reader.is_some() {
        ""
    } else {
        "<label for=\"author\">Your name</label><input type=\"text\" id=\"author\" name=\"author\">"
    };
    let mut body = format!(
        "<section><form method=\"post\" action=\"/notices\">{author}<label for=\"text\">Notice</label>\
         <textarea id=\"text\" name=\"text\" rows=\"3\" required></textarea><button>Pin it up</button></form></section>\n"
    );
    for notice in notices {
        let (id, text, author) = (notice.id, escaped(&notice.text), escaped(&notice.author));
        let _ = writeln!(
            body,
            "<article><form method=\"post\" action=\"/notices/{id}/remove\"><button>Take down</button></form>\
             <p>{text}</p><small>{author}</small></article>"
        );
    }
    frame("Notices", reader, &body)
}

pub(super) fn files(files: &[Upload], reader: Option<&str>) -> String {
    let mut body = String::from(
        "<section><form method=\"post\" action=\"/files\" enctype=\"multipart/form-data\">\
         <label for=\"file\">File</label><input type=\"file\" id=\"file\" name=\"file\" required><br>\
         <button>Upload</button></form></section>\n<section><table><thead><tr><th>Name</th><th>Bytes</th></tr></thead><tbody>\n",
    );
    for file in files {
        let _ = writeln!(body, "<tr><td>{}</td><td>{}</td></tr>", escaped(&file.name), file.bytes);
    }
    body.push_str("</tbody></table></section>\n");
    frame("Files", reader, &body)
}

pub(super) fn admin(count: usize, reader: Option<&str>) -> String {
    let body = format!(
        "<section><p>There are {count} notices on the board.</p><form method=\"post\" action=\"/admin/clear\">\
         <button>Take all of them down</button></form></section>\n"
    );
    frame("Administration", reader, &body)
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
        out
    })
}
