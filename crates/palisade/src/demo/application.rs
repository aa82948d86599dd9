//! The demonstration's application: a notice board, as somebody might write it in an afternoon. It has no security
//! of its own, on purpose: no sign-in, no CSRF token, a cookie without flags, and a JSON API that deletes for anybody.
//! It knows nothing of Palisade either, except that it greets whoever the `Remote-User` header names.

mod pages;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Form, Json, Path, State};
use axum::http::header::{CONTENT_TYPE, SERVER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// What the board remembers: until it stops.
#[derive(Default)]
struct Board {
    next: u64,
    notices: Vec<Notice>,
    files: Vec<Upload>,
}

#[derive(Clone, Serialize)]
struct Notice {
    id: u64,
    author: String,
    text: String,
}

#[derive(Clone, Serialize)]
struct Upload {
    name: String,
    bytes: usize,
}

#[derive(Deserialize)]
struct NewNotice {
    #[serde(default)]
    author: String,
    text: String,
}

type Shared = State<Arc<Mutex<Board>>>;

/// The application.
pub(super) fn router() -> Router {
    let mut board = Board::default();
    board.add("Mira".to_owned(), "The harbour crane is back in service from Monday.".to_owned());
    board.add("Jonas".to_owned(), "Who took the key to shed 4?".to_owned());
    Router::new()
        .route("/", get(index))
        .route("/notices", post(write))
        .route("/notices/{id}/remove", post(remove))
        .route("/files", get(files).post(upload))
        .route("/admin", get(admin))
        .route("/admin/clear", post(clear))
        .route("/api/notices", get(list).post(create))
        .route("/api/notices/{id}", axum::routing::delete(delete))
        .route("/api/whoami", get(whoami))
        .route("/board.css", get(style))
        .layer(DefaultBodyLimit::max(64 << 20))
        .with_state(Arc::new(Mutex::new(board)))
}

impl Board {
    fn add(&mut self, author: String, text: String) -> Notice {
        self.next += 1;
        let author = if author.is_empty() { "Somebody".to_owned() } else { author };
        let notice = Notice { id: self.next, author, text };
        self.notices.insert(0, notice.clone());
        self.notices.truncate(100);
        notice
    }

    fn remove(&mut self, id: u64) -> bool {
        let before = self.notices.len();
        self.notices.retain(|notice| notice.id != id);
        self.notices.len() < before
    }
}

/// A page, with what such applications tell about themselves and a cookie as they set it.
fn page(body: String) -> Response {
    let mut response = Html(body).into_response();
    let headers = response.headers_mut();
    headers.insert(SET_COOKIE, HeaderValue::from_static("theme=harbour"));
    headers.insert(SERVER, HeaderValue::from_static("board/0.3"));
    headers.insert(HeaderName::from_static("x-powered-by"), HeaderValue::from_static("an afternoon"));
    response
}

fn reader(headers: &HeaderMap) -> Option<&str> {
    headers.get("remote-user").and_then(|user| user.to_str().ok())
}

async fn index(State(board): Shared, headers: HeaderMap) -> Response {
    let notices = board.lock().notices.clone();
    page(pages::index(&notices, reader(&headers)))
}

async fn write(State(board): Shared, headers: HeaderMap, Form(new): Form<NewNotice>) -> Redirect {
    let author = reader(&headers).map_or(new.author, str::to_owned);
    board.lock().add(author, new.text);
    Redirect::to("/")
}

async fn remove(State(board): Shared, Path(id): Path<u64>) -> Redirect {
    board.lock().remove(id);
    Redirect::to("/")
}

async fn files(State(board): Shared, headers: HeaderMap) -> Response {
    let files = board.lock().files.clone();
    page(pages::files(&files, reader(&headers)))
}

async fn upload(State(board): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let Some((name, bytes)) = upload::first_file(kind, &body) else {
        return (StatusCode::BAD_REQUEST, "no file").into_response();
    };
    board.lock().files.insert(0, Upload { name, bytes });
    Redirect::to("/files").into_response()
}

async fn admin(State(board): Shared, headers: HeaderMap) -> Response {
    let count = board.lock().notices.len();
    page(pages::admin(count, reader(&headers)))
}

async fn clear(State(board): Shared) -> Redirect {
    board.lock().notices.clear();
    Redirect::to("/admin")
}

async fn list(State(board): Shared) -> Json<Vec<Notice>> {
    Json(board.lock().notices.clone())
}

async fn create(State(board): Shared, Json(new): Json<NewNotice>) -> (StatusCode, Json<Notice>) {
    (StatusCode::CREATED, Json(board.lock().add(new.author, new.text)))
}

async fn delete(State(board): Shared, Path(id): Path<u64>) -> StatusCode {
    if board.lock().remove(id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// Whom the application takes the sender for: whoever the header names, true or not.
async fn whoami(headers: HeaderMap) -> String {
    format!("The board takes you for {}.\n", reader(&headers).unwrap_or("nobody in particular"))
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("board.css"))
}
