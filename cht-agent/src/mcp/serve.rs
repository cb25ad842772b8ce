//! The server over stdio. This module and `http` alone know rmcp and its runtime.
//!
//! Tools block, so each call runs on a thread of its own; a cancelled call ends its wait.

use std::{borrow::Cow, io, os::unix::net::UnixStream, sync::Arc, thread};

use anyhow::{Context as _, Result};
use cht_core::process::{cli, report};
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt as _,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest,
        CustomResult, ErrorCode, Implementation, ListResourceTemplatesResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ReadResourceResult, Resource, ResourceContents, ResourceTemplate, ServerCapabilities,
        ServerConfig, Tool, ToolAnnotations,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use super::{
    base64,
    blocks::Block,
    bounded,
    catalogue::{self, INSTRUCTIONS},
    resources,
    tools::{Answer, Tools},
};

/// Serves a client on stdin and stdout, until it closes stdin.
pub(crate) fn run(tools: Tools) -> Result<()> {
    cli::refuse_terminal("name `cht-agent mcp` as the command of a server in an MCP client")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let transport = (requests()?, tokio::io::stdout());
        let server = match Server::new(Arc::new(tools)).serve(transport).await {
            // A client that leaves before it says anything.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            server => server.context("MCP")?,
        };
        server.waiting().await.context("MCP")?;
        Ok(())
    });
    // Calls that still wait end with the process.
    runtime.shutdown_background();
    served
}

/// Returns the requests on stdin, none of which is too long.
fn requests() -> io::Result<tokio::net::UnixStream> {
    let (bounded, requests) = UnixStream::pair()?;
    thread::spawn(move || {
        // An end of either side is the end of the client.
        let _ = bounded::copy(io::stdin().lock(), &bounded);
    });
    requests.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(requests)
}

/// Answers one client.
#[derive(Debug, Clone)]
pub(super) struct Server {
    tools: Arc<Tools>,
}

impl Server {
    /// Answers by these tools.
    pub(super) fn new(tools: Arc<Tools>) -> Self {
        Self { tools }
    }

    /// Runs `work` on a thread of its own, and tells it when the client has cancelled the call.
    async fn apart<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        work: impl FnOnce(&Tools, &UnixStream) -> Result<T> + Send + 'static,
    ) -> Result<Result<T>, ErrorData> {
        let internal =
            |error: &dyn std::fmt::Display| ErrorData::internal_error(error.to_string(), None);
        let (stop, cancel) = UnixStream::pair().map_err(|error| internal(&error))?;
        let tools = Arc::clone(&self.tools);
        let mut call = tokio::task::spawn_blocking(move || work(&tools, &stop));
        tokio::select! {
            done = &mut call => done.map_err(|error| internal(&error)),
            () = context.ct.cancelled() => {
                drop(cancel);
                call.await.map_err(|error| internal(&error))
            }
        }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("cht-agent", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(catalogue::all().into_iter().map(tool).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let input = request.arguments.map_or(Value::Null, Value::Object);
        let called =
            self.apart(&context, move |tools, stop| tools.call(&request.name, input, stop));
        Ok(match called.await? {
            Ok(answer) => result(answer),
            // For the model to read, and to call again in another way.
            Err(error) => CallToolResult::error(vec![ContentBlock::text(format!("{error:#}"))]),
        }
        .into())
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(match request.method.as_str() {
            bounded::TOO_LONG => ErrorData::invalid_request(bounded::refusal(), None),
            _ => ErrorData::new(ErrorCode::METHOD_NOT_FOUND, request.method, None),
        })
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let listed = self.apart(&context, |tools, _| tools.newest_links()).await?;
        let blocks = listed.unwrap_or_else(|error| {
            report::note(format_args!("{error:#}"));
            Vec::new()
        });
        Ok(ListResourcesResult::with_all_items(blocks.into_iter().filter_map(resource).collect()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = ResourceTemplate::new(resources::template(), "frame")
            .with_title("Kept frame")
            .with_description("The picture of a kept frame, no larger than a model uses");
        Ok(ListResourceTemplatesResult::with_all_items(vec![template]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        let asked = uri.clone();
        let read = self.apart(&context, move |tools, _| tools.picture_at(&asked)).await?;
        let picture = read.map_err(|error| {
            ErrorData::resource_not_found(format!("{error:#}"), Some(json!({"uri": uri})))
        })?;
        let contents = ResourceContents::blob(base64::encode(&picture.bytes), uri)
            .with_mime_type(picture.kind);
        Ok(ReadResourceResult::new(vec![contents]).into())
    }
}

/// Describes a tool to a client.
fn tool(tool: catalogue::Tool) -> Tool {
    let hints = ToolAnnotations::with_title(tool.title)
        .read_only(tool.is_read_only)
        .destructive(false)
        .idempotent(true)
        .open_world(false);
    Tool::new(tool.name, Cow::Borrowed(tool.description), tool.input)
        .with_title(tool.title)
        .with_raw_output_schema(Arc::new(tool.output))
        .with_annotations(hints)
}

fn result(answer: Answer) -> CallToolResult {
    let blocks = answer.blocks.into_iter().filter_map(|block| match block {
        Block::Text(text) => Some(ContentBlock::text(text)),
        Block::Picture(picture) => {
            Some(ContentBlock::image(base64::encode(&picture.bytes), picture.kind))
        }
        link @ Block::Link { .. } => resource(link).map(ContentBlock::resource_link),
    });
    let mut result = CallToolResult::success(blocks.collect());
    result.structured_content = Some(answer.structured);
    result
}

fn resource(block: Block) -> Option<Resource> {
    let Block::Link { uri, name, path, kind, bytes } = block else { return None };
    let described = path.display().to_string();
    Some(Resource::new(uri, name).with_description(described).with_mime_type(kind).with_size(bytes))
}
