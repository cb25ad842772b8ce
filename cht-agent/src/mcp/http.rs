//! The server over Streamable HTTP, on a loopback address: for clients that start no programs.
//!
//! A browser can send requests to loopback addresses for any page. So each request needs a token,
//! one with the `Origin` of a page elsewhere is refused, and `Host` has to name a loopback address
//! (both by rmcp).

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use cht_core::process::{clock, report};
use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Bytes, Incoming},
    header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService,
    streamable_http_server::session::local::LocalSessionManager,
};
use serde_json::json;
use tokio::{net::TcpStream, sync::Semaphore, task::AbortHandle};

use super::{bounded, serve::Server, tools::Tools};

/// Path of the server.
const PATH: &str = "/mcp";

/// Origins of pages on this machine, which the protocol says to serve.
const ORIGINS: [&str; 3] = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];

/// Largest number of connections at a time. A client of MCP has two or three; others wait.
const CONNECTIONS: usize = 256;

/// Time in which a client sends the token. One that has not may have to give up its place.
const TOKEN: Duration = Duration::from_secs(1);

/// Time in which a client has to send the head of a request, from its connection or its last
/// answer.
const HEAD: Duration = Duration::from_secs(10);

/// Bytes of a request that is too long which are read and dropped, so that its client reads why.
const MOST_UNREAD: usize = 1 << 30;

/// Scheme of the token in `Authorization`.
const BEARER: &str = "Bearer ";

type Service = StreamableHttpService<Server, LocalSessionManager>;

/// Serves clients at a loopback address, until the process ends. Without a token, makes one and
/// prints it.
pub(crate) fn run(tools: Tools, address: SocketAddr, token: Option<&str>) -> Result<()> {
    if !address.ip().is_loopback() {
        bail!(
            "--http {address}: must be a loopback address, as 127.0.0.1:8800; for other machines, put a proxy with TLS in front"
        );
    }
    let listener = TcpListener::bind(address).with_context(|| {
        format!("--http {address}: cannot listen there; is another program listening?")
    })?;
    listener.set_nonblocking(true)?;
    let place = format!("http://{}{PATH}", listener.local_addr()?);
    let token = match token {
        Some(token) if token.len() >= 16 => {
            report::note(format_args!("serving {place}"));
            token.to_owned()
        }
        Some(_) => bail!("--token: must have 16 characters or more; leave it out, and one is made"),
        None => {
            let token = new_token();
            report::note(format_args!(
                "serving {place} with the header Authorization: {BEARER}{token}"
            ));
            token
        }
    };
    let tools = Arc::new(tools);
    let config = StreamableHttpServerConfig::default()
        .with_allowed_origins(ORIGINS)
        .with_max_request_body_bytes(bounded::MOST);
    let service = StreamableHttpService::new(
        move || Ok(Server::new(Arc::clone(&tools))),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(accept(listener, service, blake3::hash(token.as_bytes())))
}

/// Returns a token that cannot be guessed: 122 random bits.
fn new_token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

async fn accept(listener: TcpListener, service: Service, token: blake3::Hash) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (mut refused, mut clients) = (report::Limited::default(), Clients::default());
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                refused.note(clock::monotonic(), format_args!("a connection: {error}"));
                continue;
            }
        };
        if places.available_permits() == 0 {
            clients.end_a_stranger();
        }
        let place = Arc::clone(&places).acquire_owned().await?;
        let is_known = Arc::new(AtomicBool::new(false));
        let serving = serve(socket, service.clone(), token, Arc::clone(&is_known));
        let task = tokio::spawn(async move {
            serving.await;
            drop(place);
        });
        let task = task.abort_handle();
        clients.add(Client { task, since: clock::monotonic(), is_known });
    }
}

/// A client that is connected.
struct Client {
    task: AbortHandle,
    since: Instant,
    /// Whether it has sent the token.
    is_known: Arc<AtomicBool>,
}

impl Client {
    /// Tells whether it had time to send the token, and has not.
    fn is_stranger(&self) -> bool {
        let connected = clock::monotonic().saturating_duration_since(self.since);
        connected > TOKEN && !self.is_known.load(Ordering::Relaxed)
    }
}

/// Clients that are connected, the oldest first.
#[derive(Default)]
struct Clients(Vec<Client>);

impl Clients {
    fn add(&mut self, client: Client) {
        self.0.retain(|client| !client.task.is_finished());
        self.0.push(client);
    }

    /// Ends the oldest client that has not sent the token. A program that can connect could
    /// otherwise take all places.
    fn end_a_stranger(&mut self) {
        self.0.retain(|client| !client.task.is_finished());
        if let Some(at) = self.0.iter().position(Client::is_stranger) {
            self.0.remove(at).task.abort();
        }
    }
}

/// Answers the requests of a client, until it leaves.
async fn serve(
    socket: TcpStream,
    service: Service,
    token: blake3::Hash,
    is_known: Arc<AtomicBool>,
) {
    let answer = service_fn(|request| {
        let (service, is_known) = (service.clone(), Arc::clone(&is_known));
        async move { Ok::<_, Infallible>(answer(&service, token, request, &is_known).await) }
    });
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(HEAD);
    // A client that leaves in the middle is no error of ours.
    let _ = connection.serve_connection(TokioIo::new(socket), answer).await;
}

/// The answer to a request: that of rmcp, if it has the token.
async fn answer(
    service: &Service,
    token: blake3::Hash,
    request: Request<Incoming>,
    known: &AtomicBool,
) -> Response<BoxBody<Bytes, Infallible>> {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix(BEARER));
    // Hashes are compared in constant time.
    let is_known = given.is_some_and(|given| blake3::hash(given.as_bytes()) == token);
    known.fetch_or(is_known, Ordering::Relaxed);
    let is_here = request.uri().path() == PATH;
    if is_known && is_here {
        if request.size_hint().lower() > bounded::MOST as u64 {
            return refuse_length(request.into_body()).await;
        }
        return service.handle(request).await;
    }
    let mut response = Response::new(Empty::new().boxed());
    if is_known {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Refuses a request that is too long. A client reads the answer once it has sent all, up to a
/// limit.
async fn refuse_length(mut body: Incoming) -> Response<BoxBody<Bytes, Infallible>> {
    let mut left = MOST_UNREAD;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            break;
        }
    }
    let error = json!({"code": -32600, "message": bounded::refusal()});
    let answer = json!({"jsonrpc": "2.0", "id": null, "error": error}).to_string();
    let mut response = Response::new(Full::new(Bytes::from(answer)).boxed());
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
