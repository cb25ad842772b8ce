//! Screens that change frame by frame, and when pictures of them are taken.

use super::*;
use crate::measure::{Change, Detail, Texture};

const COLUMNS: u32 = 40;
const ROWS: u32 = 20;
/// Ticks from frame to frame at ten frames a second.
const STEP: i64 = SECOND / 10;

/// Returns the frames that are found on a screen that changes by `changes`, frame by frame.
fn taken(frames: i64, changes: impl Fn(i64) -> Vec<Change>) -> Vec<i64> {
    let mut screen = Screen::new(ScreenRules::default());
    let mut taken = Vec::new();
    for n in 0..frames {
        let grid = (COLUMNS, ROWS);
        let measures = Measures { at: n * STEP, grid, changes: changes(n), ..Measures::default() };
        let found = screen.push(&measures);
        if n == 0 || found.is_some() {
            screen.keep();
            taken.push(n);
        }
    }
    taken
}

/// Makes a rectangle of blocks with another content.
fn area(columns: std::ops::Range<u32>, rows: std::ops::Range<u32>, content: u32) -> Vec<Change> {
    rows.flat_map(|y| {
        columns.clone().map(move |x| Change {
            block: y * COLUMNS + x,
            content,
            texture: Texture::Drawn,
        })
    })
    .collect()
}

#[test]
fn change_is_found_when_it_rests() {
    let found = taken(60, |n| if n == 20 { area(5..25, 3..5, 9) } else { Vec::new() });
    assert_eq!(found.len(), 2);
    assert!((22..=24).contains(&found[1]), "{found:?}");
}

#[test]
fn cursor_is_not_found() {
    let moves = |n| {
        let x = n as u32 % 30;
        let mut changes = area(x..x + 2, 8..10, 1);
        changes.extend(area(x.saturating_sub(1)..x, 8..10, 0));
        changes
    };
    assert_eq!(taken(60, |n| if n < 30 { moves(n) } else { Vec::new() }), [0]);
}

#[test]
fn slide_next_to_a_moving_tile_is_found() {
    let found = taken(200, |n| {
        let mut changes = area(30..38, 12..18, n as u32 + 1);
        if n == 150 {
            changes.extend(area(2..22, 3..6, 1));
        }
        changes
    });
    // Until the tile is known it may cost a picture or two.
    assert!(found.iter().filter(|&&n| n < 70).count() <= 3, "{found:?}");
    let late: Vec<_> = found.into_iter().filter(|&n| n >= 70).collect();
    assert_eq!(late.len(), 1, "{late:?}");
    assert!((151..=156).contains(&late[0]), "{late:?}");
}

#[test]
fn return_to_the_kept_picture_is_no_change() {
    let changes = |n| match n {
        20 => area(5..25, 3..9, 9),
        21 => area(5..25, 3..9, 0),
        _ => Vec::new(),
    };
    assert_eq!(taken(60, changes), [0]);
}

#[test]
fn endless_change_is_found_now_and_then() {
    let found = taken(45, |n| if n > 0 { area(0..40, 0..20, n as u32) } else { Vec::new() });
    assert!(found.len() <= 2, "{found:?}");
}

#[test]
fn slide_is_found_sooner_than_typed_text() {
    let slide = taken(40, |n| if n == 20 { area(2..30, 2..18, 1) } else { Vec::new() });
    assert_eq!(slide, [0, 23]);
    // A block every 0.1 s, but for a pause of 0.6 s.
    let typed = taken(80, |n| match n {
        10..20 => area(n as u32..n as u32 + 1, 8..10, n as u32),
        26..36 => area(n as u32 - 6..n as u32 - 5, 8..10, n as u32),
        _ => Vec::new(),
    });
    assert_eq!(typed, [0, 44]);
}

#[test]
fn line_waits_while_the_next_is_typed() {
    let found = taken(80, |n| match n {
        10..20 => area(n as u32..n as u32 + 1, 4..6, n as u32),
        20..36 => area(n as u32 - 16..n as u32 - 15, 9..11, n as u32),
        _ => Vec::new(),
    });
    assert_eq!(found, [0, 44]);
    // Far from it, it is.
    let found = taken(80, |n| match n {
        10..20 => area(n as u32..n as u32 + 1, 2..4, n as u32),
        20..36 => area(n as u32 - 16..n as u32 - 15, 17..19, n as u32),
        _ => Vec::new(),
    });
    assert_eq!(found[..2], [0, 28]);
    assert_eq!(found.len(), 3, "{found:?}");
}

/// Types two rows of blocks up to a frame, one column in two frames; the longest wait passes
/// meanwhile.
fn typed_for_long(end: i64) -> impl Fn(i64) -> Vec<Change> {
    move |n| {
        if !(10..end).contains(&n) {
            return Vec::new();
        }
        area(n as u32 / 2..n as u32 / 2 + 1, 8..10, n as u32)
    }
}

#[test]
fn change_kept_before_its_end_is_kept_again_at_its_end() {
    let found = taken(100, typed_for_long(74));
    let waited = found[1];
    assert!((60..=72).contains(&waited), "{found:?}");
    // A square of four blocks would be a cursor elsewhere.
    let found = taken(100, typed_for_long(waited / 2 * 2 + 6));
    assert_eq!(found[1], waited);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!((waited + 6..=waited + 16).contains(&found[2]), "{found:?}");
}

#[test]
fn short_word_is_found_and_moved_cursor_is_not() {
    let rested = |changes: fn() -> Vec<Change>| {
        taken(60, move |n| if n == 20 { changes() } else { Vec::new() })
    };
    assert_eq!(rested(|| area(5..8, 8..9, 1)).len(), 2, "three blocks in a row");
    assert_eq!(rested(|| area(5..9, 8..10, 1)).len(), 2);
    assert_eq!(rested(|| area(5..6, 8..11, 1)).len(), 1, "three blocks in a column");
    let gaps = || [area(5..7, 8..9, 1), area(8..9, 8..9, 1)].concat();
    assert_eq!(rested(gaps).len(), 1, "no word has gaps");
    // Where it was, and where it is.
    let went = || [area(5..7, 8..10, 1), area(7..9, 10..11, 1), area(8..9, 11..12, 1)].concat();
    assert_eq!(rested(went).len(), 1);
}

#[test]
fn line_kept_while_typed_settles_like_typed_text() {
    let found = taken(100, |n| match n {
        // All at once, but where something was typed when the longest wait was over.
        72 => area(32..35, 8..10, 1000),
        _ => typed_for_long(66)(n),
    });
    assert_eq!(found, [0, 66, 81]);
}

#[test]
fn picture_shows_motion_elsewhere() {
    // A line that rests for long, and far below it something that ends just before a picture is
    // taken.
    let mut screen = Screen::new(ScreenRules::default());
    let mut shown = Vec::new();
    for n in 0..40 {
        let changes = match n {
            10 => area(2..30, 2..4, 1),
            12..=19 => area(2..30, 16..18, n as u32),
            _ => Vec::new(),
        };
        let measures =
            Measures { at: n * STEP, grid: (COLUMNS, ROWS), changes, ..Measures::default() };
        let found = screen.push(&measures);
        if n == 0 || found.is_some() {
            screen.keep();
        }
        shown.extend(found.map(|found| (n, found.at)));
    }
    let (n, at) = shown[0];
    assert_eq!(n, 19, "{shown:?}");
    assert_eq!(at, 19 * STEP, "{shown:?}");
}

#[test]
fn another_page_with_cameras_in_place_is_found() {
    let camera = |columns: std::ops::Range<u32>, rows, n| {
        let mut changes = area(columns, rows, n);
        for change in &mut changes {
            change.texture = Texture::Filmed;
        }
        changes
    };
    let cameras = |n: u32| [camera(4..14, 4..12, n), camera(20..30, 4..12, n)].concat();
    // One plays, then the other, but at 60 both change.
    let changes = move |n: i64| match n {
        1..=30 | 60 => cameras(n as u32),
        31.. if n % 2 == 0 => camera(4..14, 4..12, n as u32),
        31.. => camera(20..30, 4..8, n as u32),
        _ => Vec::new(),
    };
    let found = taken(80, changes);
    let late: Vec<_> = found.into_iter().filter(|&n| n > 20).collect();
    assert_eq!(late, [63], "{late:?}");
}

#[test]
fn caret_in_typed_text_does_not_delay_it() {
    let found = taken(60, |n| match n {
        10..20 => area(n as u32..n as u32 + 1, 8..10, n as u32),
        25.. if n % 5 == 0 => area(20..21, 8..10, 100 * u32::from(n % 10 == 0)),
        _ => Vec::new(),
    });
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1] <= 35, "{found:?}");
}

#[test]
fn screen_continues_from_saved_state() {
    let changes = |n: i64| match n {
        10..20 => area(n as u32..n as u32 + 1, 8..10, n as u32),
        20.. => area(30..38, 12..18, n as u32),
        _ => Vec::new(),
    };
    let mut screen = Screen::new(ScreenRules::default());
    for n in 0..120 {
        let (at, grid) = (n * STEP, (COLUMNS, ROWS));
        let measures = Measures { at, grid, changes: changes(n), ..Measures::default() };
        let saved = postcard::to_allocvec(&screen).expect("state");
        let mut restored: Screen = postcard::from_bytes(&saved).expect("state");
        let found = screen.push(&measures);
        assert_eq!(found, restored.push(&measures));
        if n == 0 || found.is_some() {
            screen.keep();
        }
    }
}

/// Slides of 20 s, each of which comes as pictures that are a tenth of a second apart; the pictures
/// that are taken. Time passes in steps of `tick` at most.
fn taken_of_slides(pictures: i64, tick: i64) -> Vec<i64> {
    let mut screen = Screen::new(ScreenRules::default());
    let (mut taken, mut now) = (vec![0], 0);
    for slide in 0..6_i64 {
        for n in 0..pictures {
            let at = slide * 20 * SECOND + n * STEP;
            while now < at {
                now = at.min(now + tick);
                while let Some(finding) = screen.pass(now) {
                    screen.keep();
                    taken.push(finding.at);
                }
            }
            let changes = if n == 0 { area(2..30, 2..18, slide as u32) } else { Vec::new() };
            let grid = (COLUMNS, ROWS);
            let found = screen.push(&Measures { at, grid, changes, ..Measures::default() });
            if slide + n == 0 || found.is_some() {
                screen.keep();
            }
            taken.extend(found.map(|finding| finding.at));
        }
    }
    taken
}

#[test]
fn slide_of_few_pictures_rests_as_time_passes() {
    for pictures in 1..=3 {
        let taken = taken_of_slides(pictures, 20 * SECOND);
        let slides: Vec<i64> = taken.iter().map(|at| at / (20 * SECOND)).collect();
        assert_eq!(slides, [0, 1, 2, 3, 4], "{pictures} pictures a slide");
        // How often it is asked for makes no difference.
        assert_eq!(taken_of_slides(pictures, 7 * STEP / 4), taken);
    }
}

#[test]
fn passing_time_equals_a_picture_that_stays() {
    let area = |n: i64| match n {
        20 => area(5..25, 3..5, 9),
        40 => area(5..25, 9..12, 9),
        _ => Vec::new(),
    };
    let mut screen = Screen::new(ScreenRules::default());
    let mut found = Vec::new();
    for n in (0..80).filter(|n| n % 20 == 0) {
        while let Some(finding) = screen.pass(n * STEP) {
            screen.keep();
            found.push(finding.at / STEP);
        }
        let grid = (COLUMNS, ROWS);
        let measures = Measures { at: n * STEP, grid, changes: area(n), ..Measures::default() };
        screen.push(&measures);
        if n == 0 {
            screen.keep();
        }
    }
    assert_eq!(taken(80, area).len(), 1 + found.len());
    assert_eq!(found, [20, 40]);
}

/// Returns the frames that are found, and the number of changes that were too small, in 20 s of a
/// number at block 405 that changes every 2 s, a clock at block 30 that changes every second, and a
/// caret at block 700 that changes every half second.
fn taken_of_numbers(rules: ScreenRules) -> (Vec<i64>, u64) {
    let mut screen = Screen::new(rules);
    let (mut taken, mut too_small) = (Vec::new(), 0);
    for n in 0..200_u32 {
        let mut details = Vec::new();
        let mut change = |each: u32, block: u32, detail: u32| {
            if n % each == 0 {
                details.push(Detail { block, detail, inked: true });
            }
        };
        change(20, 405, 1000 + n);
        change(10, 30, 1000 + n);
        change(5, 700, 1000 + n / 5 % 2);
        let (at, grid) = (i64::from(n) * STEP, (COLUMNS, ROWS));
        let found = screen.push(&Measures { at, grid, details, ..Measures::default() });
        if n == 0 || found.is_some() {
            screen.keep();
            taken.push(i64::from(n));
        }
        too_small += screen.take_too_small();
    }
    (taken, too_small)
}

#[test]
fn number_that_changes_in_place_is_found_and_clock_is_not() {
    let (taken, too_small) = taken_of_numbers(ScreenRules::default());
    let states: Vec<i64> = taken.iter().map(|n| n / 20).collect();
    assert_eq!((states, too_small), ((0..10).collect(), 0));
}

#[test]
fn ignored_or_tiny_number_is_not_found() {
    let (taken, too_small) =
        taken_of_numbers(ScreenRules { min_change: 0.01, ..ScreenRules::default() });
    assert_eq!((taken, too_small), (vec![0], 9));
    // Block 405 is the sixth of row 10.
    let ignore = vec!["0.1,0.5,0.1,0.1".parse().unwrap()];
    let (taken, too_small) = taken_of_numbers(ScreenRules { ignore, ..ScreenRules::default() });
    assert_eq!((taken, too_small), (vec![0], 0));
}

#[test]
fn cursor_that_comes_to_rest_is_too_small() {
    let mut screen = Screen::new(ScreenRules::default());
    let (mut taken, mut too_small) = (0, 0);
    for n in 0..60_u32 {
        // Over a text from block 410 to 420.
        let block = |n: u32| 410 + n.min(10);
        let detail = |block, detail| Detail { block, detail, inked: true };
        let details = match n {
            1..=10 => vec![detail(block(n - 1), 0), detail(block(n), 7)],
            _ => Vec::new(),
        };
        let (at, grid) = (i64::from(n) * STEP, (COLUMNS, ROWS));
        let found = screen.push(&Measures { at, grid, details, ..Measures::default() });
        if n == 0 || found.is_some() {
            screen.keep();
            taken += 1;
        }
        too_small += screen.take_too_small();
    }
    assert_eq!((taken, too_small), (1, 1));
}
