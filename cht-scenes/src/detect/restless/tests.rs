//! Regions that never rest, ten frames a second.

use super::*;

const GRID: Grid = Grid { columns: 80, rows: 45 };
const CAMERA: Rect = Rect { left: 60, top: 30, right: 72, bottom: 38 };
const PHOTOS: Rect = Rect { left: 10, top: 5, right: 60, bottom: 40 };

fn change(rect: Rect, content: u32, look: Look) -> Vec<Change> {
    let changes = GRID.blocks(rect).map(|n| Change { block: n as u32, content, look });
    changes.collect()
}

/// Shows `changes` at ten frames a second from one second to another.
fn show(restless: &mut Restless, seconds: (i64, i64), changes: impl Fn(i64) -> Vec<Change>) {
    for n in seconds.0 * 10..seconds.1 * 10 {
        restless.push(n * SECOND / 10, &changes(n));
    }
}

fn plays(n: i64) -> Vec<Change> {
    change(CAMERA, n as u32, Look::Filmed)
}

fn is_masked(restless: &Restless, rect: Rect) -> bool {
    GRID.blocks(rect).all(|n| restless.is_masked(n))
}

#[test]
fn what_is_filmed_and_moves_is_left_out_within_a_second() {
    let mut restless = Restless::new(GRID);
    show(&mut restless, (0, 1), plays);
    assert!(is_masked(&restless, CAMERA));
    assert!(!restless.is_masked(0));
    // What is drawn may come to rest yet.
    let mut restless = Restless::new(GRID);
    show(&mut restless, (0, 1), |n| change(CAMERA, n as u32, Look::Drawn));
    assert!(!is_masked(&restless, CAMERA));
}

#[test]
fn a_tile_stays_one_through_a_title_card_until_another_layout_comes() {
    let title = |n: i64| match n {
        30 => change(CAMERA, 1000, Look::Drawn),
        _ => Vec::new(),
    };
    let mut restless = Restless::new(GRID);
    show(&mut restless, (0, 3), plays);
    show(&mut restless, (3, 7), title);
    assert!(is_masked(&restless, CAMERA));

    let layout = |n: i64| match n {
        30 => change(Rect { left: 0, top: 0, right: 79, bottom: 44 }, 1000, Look::Drawn),
        _ => Vec::new(),
    };
    let mut restless = Restless::new(GRID);
    show(&mut restless, (0, 3), plays);
    show(&mut restless, (3, 4), layout);
    assert!(!GRID.blocks(CAMERA).any(|n| restless.is_masked(n)));
}

#[test]
fn a_tile_that_shows_a_still_counts_in_the_end() {
    let mut restless = Restless::new(GRID);
    show(&mut restless, (0, 3), plays);
    show(&mut restless, (3, 12), |_| Vec::new());
    assert!(is_masked(&restless, CAMERA));
    show(&mut restless, (12, 15), |_| Vec::new());
    assert!(!restless.is_masked(GRID.columns * 34 + 66));
}

#[test]
fn photos_that_are_scrolled_count_when_they_rest() {
    let mut restless = Restless::new(GRID);
    show(&mut restless, (0, 1), |n| change(PHOTOS, n as u32, Look::Filmed));
    show(&mut restless, (1, 3), |_| Vec::new());
    assert!(!GRID.blocks(PHOTOS).any(|n| restless.is_masked(n)));
}

#[test]
fn a_transition_of_the_whole_screen_makes_no_tile() {
    let mut restless = Restless::new(GRID);
    let all = Rect { left: 0, top: 0, right: 79, bottom: 44 };
    show(&mut restless, (0, 1), |n| {
        let mut changes = change(all, n as u32, Look::Drawn);
        for n in GRID.blocks(CAMERA) {
            changes[n].look = Look::Filmed;
        }
        changes
    });
    assert!(!GRID.blocks(all).any(|n| restless.is_masked(n)));
}

#[test]
fn a_tile_grows_to_what_moves_with_it() {
    let narrow = Rect { right: CAMERA.right - 1, ..CAMERA };
    let mut restless = Restless::new(GRID);
    show(&mut restless, (0, 2), |n| change(narrow, n as u32, Look::Filmed));
    show(&mut restless, (2, 3), |n| match n {
        25 => change(CAMERA, 1000, Look::Plain),
        _ => Vec::new(),
    });
    assert_eq!(restless.tiles.len(), 1);
    assert_eq!(restless.tiles[0].rect, CAMERA);
}

#[test]
fn a_clock_is_left_out_and_text_that_is_typed_is_not() {
    let digit = Rect { left: 76, top: 0, right: 77, bottom: 1 };
    let mut restless = Restless::new(GRID);
    show(&mut restless, (0, 6), |n| match n % 10 {
        0 => change(digit, n as u32, Look::Drawn),
        _ => Vec::new(),
    });
    assert!(is_masked(&restless, digit));

    let mut restless = Restless::new(GRID);
    show(&mut restless, (0, 6), |n| {
        let left = 10 + n as usize / 2;
        change(Rect { left, top: 10, right: left, bottom: 11 }, n as u32, Look::Drawn)
    });
    assert!(!(0..GRID.count()).any(|n| restless.is_masked(n)));
}
