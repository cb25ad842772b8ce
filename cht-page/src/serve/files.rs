//! Files of a session, whole or in part.

use std::{fs::File, io, os::unix::fs::MetadataExt as _};

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderValue,
        IF_NONE_MATCH, RANGE,
    },
};

use super::{body::Content, ranges::Part};

/// Answers with a file, which may be replaced by another of its name.
pub(super) fn answer(file: File, headers: &HeaderMap) -> io::Result<Response<Content>> {
    let metadata = file.metadata()?;
    let size = metadata.len();
    // Pictures and segments are replaced as a whole, under new inodes.
    let tag = format!("\"{:x}-{:x}-{size:x}\"", metadata.ino(), metadata.mtime_nsec());
    let given = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if given(IF_NONE_MATCH) == Some(&tag) {
        return Ok(with(StatusCode::NOT_MODIFIED, Content::text(""), &tag));
    }
    Ok(match Part::of(given(RANGE), size) {
        Part::All => {
            let mut answer = with(StatusCode::OK, Content::part(file, 0, size), &tag);
            answer.headers_mut().insert(CONTENT_LENGTH, size.into());
            answer
        }
        Part::Of { at, length } => {
            let content = Content::part(file, at, length);
            let mut answer = with(StatusCode::PARTIAL_CONTENT, content, &tag);
            let range = format!("bytes {at}-{}/{size}", at + length - 1);
            insert(&mut answer, &range);
            answer
        }
        Part::Outside => {
            let mut answer = with(StatusCode::RANGE_NOT_SATISFIABLE, Content::text(""), &tag);
            insert(&mut answer, &format!("bytes */{size}"));
            answer
        }
    })
}

fn insert(answer: &mut Response<Content>, range: &str) {
    if let Ok(range) = HeaderValue::from_str(range) {
        answer.headers_mut().insert(CONTENT_RANGE, range);
    }
}

fn with(status: StatusCode, content: Content, tag: &str) -> Response<Content> {
    let mut answer = Response::new(content);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(ETAG, tag);
    }
    answer
}
