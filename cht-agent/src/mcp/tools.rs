//! The tools: from their arguments to their answers.

use std::{os::fd::AsFd, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use cht_core::process::{clock, report};
use serde::Serialize;
use serde_json::Value;

use super::{
    blocks::{Block, MOST_PICTURES, Rest, Wanted, link, room_for_words},
    catalogue::{self, SessionsOutput},
    decoded::Decoded,
    input::{AckInput, FrameInput, MomentInput, NextInput, SearchInput, SessionsInput, read},
    resources,
};
use crate::{
    ack::{self, What},
    budget::{self, Budget},
    moment::{self, Found, Which},
    next,
    picture::{
        fit::{Painter, Picture, Source},
        size::{Crop, Size},
    },
    search,
    sessions::{self, Place},
    store::{journal::Journal, state::Reader},
    view::{FrameView, PictureView},
};

/// Longest time that `next` waits, in seconds: clients give up after a minute.
const MAX_WAIT: f64 = 50.0;

/// Number of frames that are listed as resources.
const LISTED: usize = 50;

/// Settings of the server.
#[derive(Debug)]
pub(crate) struct Tools {
    pub place: Place,
    /// Reader where a call names none.
    pub reader: Reader,
    /// Whether answers hold pictures.
    pub images: bool,
    pub budget: Budget,
    pub painter: Painter,
    /// Files of decoded pictures, where answers hold none.
    pub decoded: Decoded,
}

/// The answer of a tool.
#[derive(Debug)]
pub(super) struct Answer {
    pub structured: Value,
    pub blocks: Vec<Block>,
}

impl Tools {
    /// Calls the tool `name`. The wait of `next` ends when `stop` becomes readable.
    pub(super) fn call(&self, name: &str, input: Value, stop: &dyn AsFd) -> Result<Answer> {
        match name {
            "sessions" => self.sessions(&read(input)?),
            "next" => self.next(&read(input)?, stop),
            "ack" => self.ack(&read(input)?),
            "search" => self.search(&read(input)?),
            "moment" => self.moment(&read(input)?),
            "frame" => self.frame(&read(input)?),
            _ => {
                let names: Vec<_> = catalogue::all().iter().map(|tool| tool.name).collect();
                bail!("{name:?}: no such tool; there are {}", names.join(", "))
            }
        }
    }

    fn sessions(&self, input: &SessionsInput) -> Result<Answer> {
        let limit = input.limit.unwrap_or(10).clamp(1, 50);
        let sessions = sessions::describe(&self.place, limit, clock::wall())?;
        self.without_pictures(&SessionsOutput { sessions })
    }

    fn next(&self, input: &NextInput, stop: &dyn AsFd) -> Result<Answer> {
        let images = self.images && input.images.unwrap_or(true);
        let most = if images { MOST_PICTURES } else { 50 };
        let wait = input.wait_s.unwrap_or(0.0);
        if !(0.0..=MAX_WAIT).contains(&wait) {
            bail!("wait_s {wait}: must be 0 to {MAX_WAIT}");
        }
        let mut asked = next::Asked {
            reader: self.reader(input.reader.as_deref())?,
            limit: input.limit.unwrap_or(MOST_PICTURES).clamp(1, most),
            wait: Duration::from_secs_f64(wait),
        };
        let place = self.place_of(input.session.as_deref());
        let room = room_for_words(self.budget, images);
        let mut answer = next::answer(&place, &asked, Some(stop))?;
        while budget::shorten(&mut answer, room, length_of, next::Answer::cut)
            && length_of(&answer) > room
            && asked.limit > 1
        {
            // Fewer frames, with more of their words.
            (asked.limit, asked.wait) = (asked.limit.min(answer.frames.len()) / 2, Duration::ZERO);
            asked.limit = asked.limit.max(1);
            answer = next::answer(&place, &asked, None)?;
        }
        let pictures = if images { self.pictures(&answer) } else { Vec::new() };
        with_pictures(answer, pictures)
    }

    fn ack(&self, input: &AckInput) -> Result<Answer> {
        let what = match (&input.cursor, &input.ids) {
            (Some(cursor), None) if cursor == "now" => What::All,
            (Some(cursor), None) => What::To(cursor.parse()?),
            (None, Some(ids)) if !ids.is_empty() => What::Ids(ids.clone()),
            _ => bail!("give the cursor of an answer of `next`, or ids, and not both"),
        };
        let place = self.place_of(input.session.as_deref());
        let reader = self.reader(input.reader.as_deref())?;
        self.without_pictures(&ack::acknowledge(&place, &reader, &what, clock::wall())?)
    }

    /// Returns links to the newest frames of the session.
    pub(super) fn newest_links(&self) -> Result<Vec<Block>> {
        let session = self.place.session()?;
        let mut journal = Journal::open(&session)?;
        let name = session.root().file_name().unwrap_or_default().to_string_lossy();
        let frames = journal.newest_frames(LISTED)?;
        Ok(frames.iter().filter_map(|frame| link(&name, &FrameView::of(frame))).collect())
    }

    /// Returns the picture of a frame by its address.
    pub(super) fn picture_at(&self, uri: &str) -> Result<Picture> {
        let (name, id) = resources::parse(uri)
            .with_context(|| format!("{uri:?}: no frame; must be {}", resources::template()))?;
        let session = self.place.called(&name)?;
        let found = moment::find(&session, &Which::Id(id), &self.painter)?;
        self.hand_out(&found, None, u64::MAX, 0)
    }

    /// Makes a picture for an answer whose JSON has `length` bytes.
    fn hand_out(
        &self,
        found: &Found,
        crop: Option<Crop>,
        pixels: u64,
        length: usize,
    ) -> Result<Picture> {
        let wanted = Wanted { source: found.source(), whole: found.size(), crop, pixels };
        Rest::after(self.budget, length).picture(&self.painter, &wanted, 1)
    }

    fn search(&self, input: &SearchInput) -> Result<Answer> {
        let place = self.place_of(input.session.as_deref());
        let sessions =
            if input.session.is_some() { vec![place.session()?] } else { place.searched()? };
        let range = [&input.since, &input.until].map(|time| time.as_deref());
        let limit = input.limit.unwrap_or(10).clamp(1, 50);
        let asked = search::Asked::read(&input.query, range, limit)?;
        self.without_pictures(&search::answer(&sessions, &asked)?)
    }

    fn frame(&self, input: &FrameInput) -> Result<Answer> {
        let which = match (&input.id, &input.time) {
            (Some(id), None) => Which::Id(id.clone()),
            (None, Some(time)) => Which::At(time.read()?),
            _ => bail!("give an id or a time, and not both"),
        };
        let session = self.place_of(input.session.as_deref()).session()?;
        let mut found = moment::find(&session, &which, &self.painter)?;
        let [x, y, width, height] = input.crop.unwrap_or_default();
        let crop = input.crop.map(|_| Crop { x, y, size: Size { width, height } });
        crop.map_or(Ok(()), |crop| crop.check(found.size())).map_err(anyhow::Error::msg)?;
        let pixels = input.max_pixels.map(|pixels| pixels.max(1));
        let mut blocks = Vec::new();
        if self.images {
            let pixels = pixels.unwrap_or(u64::MAX);
            let picture = self.hand_out(&found, crop, pixels, 2 * length_of(&found.shot))?;
            found.shot.picture = Some(PictureView::of(1, picture.size));
            blocks.push(Block::Picture(picture));
            return answer_of(&found.shot, blocks);
        }
        let is_file = found.shot.path.is_some() && crop.is_none() && pixels.is_none();
        let out = if is_file { None } else { Some(self.decoded.next()?) };
        let shot = moment::write(found, &self.painter, crop, pixels, out.as_deref())?;
        answer_of(&shot, blocks)
    }

    fn moment(&self, input: &MomentInput) -> Result<Answer> {
        let session = self.place_of(input.session.as_deref()).session()?;
        let around = input.around_s.unwrap_or(15.0).clamp(0.0, 3600.0);
        let mut answer = moment::answer(&session, input.time.read()?, around)?;
        let images = self.images && input.images.unwrap_or(true);
        let room = room_for_words(self.budget, images);
        budget::shorten(&mut answer, room, length_of, moment::Answer::cut);
        let length = length_of(&answer);
        let mut blocks = Vec::new();
        let name = session.root().file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(frame) = answer.frame.as_mut().filter(|frame| !frame.missing) {
            let found = moment::find(&session, &Which::Id(frame.id.clone()), &self.painter);
            let picture = found.and_then(|found| self.hand_out(&found, None, u64::MAX, length));
            match picture {
                Ok(picture) if images => {
                    frame.picture = Some(PictureView::of(1, picture.size));
                    blocks.push(Block::Picture(picture));
                }
                Ok(_) => {}
                Err(error) => report::note(format_args!("{error:#}")),
            }
            blocks.extend(link(&name, frame));
        }
        answer_of(&answer, blocks)
    }

    fn reader(&self, named: Option<&str>) -> Result<Reader> {
        let Some(named) = named else { return Ok(self.reader.clone()) };
        named.parse().map_err(|error| anyhow::anyhow!("reader {named:?}: {error}"))
    }

    /// Returns where sessions are, with the one that a call names.
    fn place_of(&self, named: Option<&Path>) -> Place {
        let named = named.map(Path::to_owned).or_else(|| self.place.session.clone());
        Place { session: named, sessions: self.place.sessions.clone() }
    }

    /// Makes the pictures of the frames of an answer; none of a frame whose picture cannot be
    /// handed out.
    fn pictures(&self, answer: &next::Answer) -> Vec<Option<Picture>> {
        let mut rest = Rest::after(self.budget, length_of(answer));
        let count = answer.frames.len();
        let made = answer.frames.iter().enumerate().map(|(at, frame)| {
            let path = Path::new(frame.path.as_ref().filter(|_| !frame.missing)?);
            let whole = Size { width: frame.width, height: frame.height };
            let source = Source::File(path);
            let wanted = Wanted { source, whole, crop: None, pixels: u64::MAX };
            let made = rest.picture(&self.painter, &wanted, count - at);
            made.map_err(|error| report::note(format_args!("{error:#}"))).ok()
        });
        made.collect()
    }

    fn without_pictures(&self, answer: &impl Serialize) -> Result<Answer> {
        let length = length_of(answer);
        if length > room_for_words(self.budget, false) {
            bail!("the answer has {length} bytes and does not fit; ask for less (limit)");
        }
        answer_of(answer, Vec::new())
    }
}

/// Adds pictures to their frames, and links to all.
fn with_pictures(mut answer: next::Answer, pictures: Vec<Option<Picture>>) -> Result<Answer> {
    let mut blocks = Vec::new();
    for (frame, picture) in answer.frames.iter_mut().zip(pictures) {
        if let Some(picture) = picture {
            frame.picture = Some(PictureView::of(blocks.len() + 1, picture.size));
            blocks.push(Block::Picture(picture));
        }
    }
    let name = Path::new(&answer.session).file_name().unwrap_or_default().to_string_lossy();
    blocks.extend(answer.frames.iter().filter_map(|frame| link(&name, frame)));
    answer_of(&answer, blocks)
}

/// Returns an answer: its JSON, structured and as text for clients that read only that, and its
/// pictures and links.
fn answer_of(answer: &impl Serialize, mut blocks: Vec<Block>) -> Result<Answer> {
    let structured = serde_json::to_value(answer)?;
    blocks.insert(0, Block::Text(serde_json::to_string(&structured)?));
    Ok(Answer { structured, blocks })
}

impl moment::Answer {
    /// Shortens the words to about `length` characters.
    fn cut(&mut self, length: usize) -> bool {
        let frame = self.frame.as_mut().map_or(&mut [][..], std::slice::from_mut);
        budget::cut_frames(frame, length) | budget::cut_speech(&mut self.speech, length)
    }
}

impl next::Answer {
    /// Shortens the words to about `length` characters for each frame.
    fn cut(&mut self, length: usize) -> bool {
        let mut is_cut = budget::cut_frames(&mut self.frames, length);
        for late in &mut self.late_text {
            is_cut |= budget::cut_text(&mut late.text, length);
        }
        // At least some of them, however many came late at once.
        let most = length / 10;
        is_cut |= self.late_text.len() > most;
        self.late_text.truncate(most);
        is_cut |= budget::cut_speech(&mut self.late_speech, length);
        self.shortened |= is_cut;
        is_cut
    }
}

/// Returns the length of an answer as JSON.
fn length_of(answer: &impl Serialize) -> usize {
    serde_json::to_vec(answer).map_or(0, |json| json.len())
}
