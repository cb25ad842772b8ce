//! The answer to each request.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use cht_core::process::report;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Bytes, Incoming},
    header::{
        CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, SET_COOKIE,
    },
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    body::Content,
    events::{self, Watched},
    files,
    gate::{Gate, Pass},
    live::Streams,
    marks,
    route::{self, Route, What},
    sessions::Sessions,
};
use crate::{
    assets,
    data::{Known, Page},
    source::Source,
};

/// Largest number of clients that follow sessions.
const FOLLOWERS: usize = 128;

/// Largest number of clients that watch live video.
const VIEWERS: usize = 64;

/// Largest number of clients to which the data of a session is being sent: it lies in memory as a
/// whole.
const DATA: usize = 8;

/// Headers of every answer. Scripts and styles are files of this server, and no other is loaded.
const HEADERS: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

type Answer = Response<Content>;

/// Answers requests. Clones share everything.
#[derive(Debug, Clone)]
pub(super) struct Answers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sessions: Sessions,
    gate: Gate,
    watched: Watched,
    streams: Streams,
    followers: Arc<Semaphore>,
    viewers: Arc<Semaphore>,
    data: Arc<Semaphore>,
}

impl Answers {
    /// Answers about the sessions in a folder.
    pub(super) fn new(sessions: &Path, gate: Gate) -> Result<Self> {
        let places = |count| Arc::new(Semaphore::new(count));
        Ok(Self(Arc::new(Shared {
            sessions: Sessions::open(sessions)?,
            gate,
            watched: Watched::default(),
            streams: Streams::default(),
            followers: places(FOLLOWERS),
            viewers: places(VIEWERS),
            data: places(DATA),
        })))
    }

    /// Returns the answer to a request, and whether its client may ask.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> (Answer, bool) {
        let pass = self.0.gate.decide(request.headers());
        let mut answer = match pass {
            Pass::Foreign => status(StatusCode::FORBIDDEN, "this page belongs to another server"),
            Pass::Unknown => self.greet(&request),
            Pass::Granted => self.granted(request).await,
        };
        if pass != Pass::Granted {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        for (name, value) in HEADERS {
            answer
                .headers_mut()
                .insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        (answer, pass == Pass::Granted)
    }

    /// Takes the token from the address of a page, once.
    fn greet(&self, request: &Request<Incoming>) -> Answer {
        let given = request.uri().query().and_then(|query| route::value(query, "token"));
        let given = given.and_then(route::decode);
        match given.and_then(|given| self.0.gate.key(&given)) {
            Some(key) => enter(request.uri().path(), &key),
            None => status(
                StatusCode::UNAUTHORIZED,
                "open this page once with ?token=TOKEN, the token that cht-page was started with",
            ),
        }
    }

    async fn granted(&self, request: Request<Incoming>) -> Answer {
        let Some(route) = Route::of(request.uri().path()) else {
            return status(StatusCode::NOT_FOUND, "nothing there");
        };
        let is_mark = matches!(route, Route::Session { what: What::Sent, .. });
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_mark != (request.method() == Method::POST) || (!is_mark && !is_read) {
            return status(StatusCode::METHOD_NOT_ALLOWED, "GET, or POST for marks");
        }
        match route {
            Route::List => text(HTML, assets::list()),
            Route::Sessions => self.list().await,
            Route::Asset(name) => asset(&name),
            Route::Session { name, what } => self.of_session(name, what, request).await,
        }
    }

    async fn list(&self) -> Answer {
        let shared = Arc::clone(&self.0);
        let listed =
            spawn_blocking(move || anyhow::Ok(serde_json::to_vec(&shared.sessions.list()?)?));
        match listed.await {
            Ok(Ok(list)) => fresh(text(JSON, list)),
            Ok(Err(error)) => failed(&error),
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR, "see the messages of cht-page"),
        }
    }

    async fn of_session(&self, name: String, what: What, request: Request<Incoming>) -> Answer {
        let shared = Arc::clone(&self.0);
        let opened = spawn_blocking(move || shared.sessions.session(&name)).await;
        let Ok(Some(source)) = opened else {
            return status(StatusCode::NOT_FOUND, "no such session");
        };
        match what {
            What::Folder => with_slash(request.uri().path()),
            What::Page => text(HTML, assets::session("../../assets/")),
            What::Data => self.data(source).await,
            What::Events => self.events(source, &request),
            What::Live => self.live(&source),
            What::Sent => self.sent(source, request).await,
            What::File(path, kind) => file(source, path, kind, request).await,
        }
    }

    async fn data(&self, source: Source) -> Answer {
        let Ok(place) = Arc::clone(&self.0.data).acquire_owned().await else { return busy() };
        let marks = self.0.gate.takes_marks();
        let page = Page { base: "files/", served: true, marks };
        let read = move || Known::read(&source)?.script(&source, page, None);
        match spawn_blocking(read).await {
            Ok(Ok(script)) => {
                let mut answer = fresh(text("text/javascript; charset=utf-8", script));
                let content = std::mem::replace(answer.body_mut(), Content::text(""));
                *answer.body_mut() = content.with_place(place);
                answer
            }
            Ok(Err(error)) => failed(&error),
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR, "see the messages of cht-page"),
        }
    }

    fn events(&self, source: Source, request: &Request<Incoming>) -> Answer {
        let Some(place) = place(&self.0.followers) else { return busy() };
        let last = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
        let asked = request.uri().query().and_then(|query| route::value(query, "from"));
        let from = last.into_iter().chain(asked).find_map(|text| text.parse().ok());
        let looks = match self.0.watched.of(source.session()) {
            Ok(looks) => looks,
            Err(error) => return failed(&error),
        };
        let (client, stream) = mpsc::channel(1);
        tokio::spawn(events::send(source, from.unwrap_or_default(), looks, client));
        fresh(with_type("text/event-stream", Content::stream(stream).with_place(place)))
    }

    fn live(&self, source: &Source) -> Answer {
        let Some(place) = place(&self.0.viewers) else { return busy() };
        if !source.session().is_recording() {
            return status(StatusCode::NOT_FOUND, "this session is not being recorded");
        }
        let (client, stream) = mpsc::channel(1);
        match self.0.streams.join(source.session()).and_then(|viewer| viewer.send(client)) {
            Ok(()) => fresh(with_type("video/mp2t", Content::stream(stream).with_place(place))),
            Err(error) => failed(&error.into()),
        }
    }

    async fn sent(&self, source: Source, request: Request<Incoming>) -> Answer {
        if !self.0.gate.takes_marks() {
            return status(StatusCode::FORBIDDEN, "marks are taken with --token only");
        }
        let body = request.into_body();
        if body.size_hint().lower() > marks::MAX_BODY as u64 {
            return status(StatusCode::PAYLOAD_TOO_LARGE, "too many pictures at once");
        }
        let body = Limited::new(body, marks::MAX_BODY).collect();
        let body = match timeout(marks::BODY_TIME, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => {
                return status(StatusCode::PAYLOAD_TOO_LARGE, "too many pictures at once");
            }
            Err(_) => return status(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
        };
        match spawn_blocking(move || marks::mark(&source, &body)).await {
            Ok(Ok(())) => status(StatusCode::OK, "marked"),
            Ok(Err(error)) => status(StatusCode::BAD_REQUEST, &format!("{error:#}")),
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR, "see the messages of cht-page"),
        }
    }
}

/// Lets a browser in that has given the token, and takes it out of the address. A link on a foreign
/// page may lead to this one; that such a page asks for more is refused by its origin.
fn enter(path: &str, cookie: &str) -> Answer {
    let mut answer = status(StatusCode::SEE_OTHER, "welcome");
    let cookie = format!("{cookie}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax");
    // A path such as //host would lead to that host.
    let place = format!("/{}", path.trim_start_matches('/'));
    for (name, value) in [(SET_COOKIE, cookie), (LOCATION, place)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// Leads to the same path with a slash at its end. Its last name alone is given, for proxies that
/// serve the pages below a path of their own.
fn with_slash(path: &str) -> Answer {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut answer = status(StatusCode::TEMPORARY_REDIRECT, "the page ends with a slash");
    if let Ok(place) = HeaderValue::from_str(&format!("./{name}/")) {
        answer.headers_mut().insert(LOCATION, place);
    }
    answer
}

fn asset(name: &str) -> Answer {
    match assets::all().into_iter().find(|asset| asset.name == name) {
        Some(asset) => text(asset.kind, Bytes::from_static(asset.text.as_bytes())),
        None => status(StatusCode::NOT_FOUND, "nothing there"),
    }
}

async fn file(
    source: Source,
    path: String,
    kind: &'static str,
    request: Request<Incoming>,
) -> Answer {
    let opened = spawn_blocking(move || source.root().file(&path)).await;
    let Ok(Ok(file)) = opened else { return status(StatusCode::NOT_FOUND, "no such file") };
    match files::answer(file, request.headers()) {
        Ok(mut answer) => {
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            answer
        }
        Err(error) => failed(&error.into()),
    }
}

/// Takes a place, if one is free.
fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(places).try_acquire_owned().ok()
}

fn with_type(kind: &'static str, content: Content) -> Answer {
    let mut answer = Response::new(content);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn text(kind: &'static str, text: impl Into<Bytes>) -> Answer {
    with_type(kind, Content::text(text))
}

/// Forbids to keep an answer.
fn fresh(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn status(status: StatusCode, message: &str) -> Answer {
    let mut answer = fresh(text(TEXT, format!("{message}\n")));
    *answer.status_mut() = status;
    answer
}

fn busy() -> Answer {
    status(StatusCode::SERVICE_UNAVAILABLE, "too many clients; try again later")
}

fn failed(error: &anyhow::Error) -> Answer {
    report::warn(format_args!("{error:#}"));
    status(StatusCode::INTERNAL_SERVER_ERROR, "see the messages of cht-page")
}
