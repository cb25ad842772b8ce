//! Regions that never rest, ten frames a second.

use super::*;
use crate::grid::Rect;

const GRID: Grid = Grid { columns: 80, rows: 45 };
const CAMERA: Rect = Rect { left: 60, top: 30, right: 72, bottom: 38 };
const PHOTOS: Rect = Rect { left: 10, top: 5, right: 60, bottom: 40 };

fn change(rect: Rect, content: u32, texture: Texture) -> Vec<Change> {
    let changes = GRID.blocks(rect).map(|n| Change { block: n as u32, content, texture });
    changes.collect()
}

/// Shows `changes` at ten frames a second from one second to another.
fn show(mask: &mut MotionMask, seconds: (i64, i64), changes: impl Fn(i64) -> Vec<Change>) {
    for n in seconds.0 * 10..seconds.1 * 10 {
        mask.push(n * SECOND / 10, &changes(n));
    }
}

fn plays(n: i64) -> Vec<Change> {
    change(CAMERA, n as u32, Texture::Filmed)
}

fn is_masked(mask: &MotionMask, rect: Rect) -> bool {
    GRID.blocks(rect).all(|n| mask.is_masked(n))
}

#[test]
fn moving_film_is_masked_within_a_second() {
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 1), plays);
    assert!(is_masked(&mask, CAMERA));
    assert!(!mask.is_masked(0));
    // A drawn region may come to rest.
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 1), |n| change(CAMERA, n as u32, Texture::Drawn));
    assert!(!is_masked(&mask, CAMERA));
}

#[test]
fn tile_outlives_title_card_until_another_layout() {
    let title = |n: i64| match n {
        30 => change(CAMERA, 1000, Texture::Drawn),
        _ => Vec::new(),
    };
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 3), plays);
    show(&mut mask, (3, 7), title);
    assert!(is_masked(&mask, CAMERA));

    let layout = |n: i64| match n {
        30 => change(Rect { left: 0, top: 0, right: 79, bottom: 44 }, 1000, Texture::Drawn),
        _ => Vec::new(),
    };
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 3), plays);
    show(&mut mask, (3, 4), layout);
    assert!(!GRID.blocks(CAMERA).any(|n| mask.is_masked(n)));
}

#[test]
fn tile_that_shows_a_still_counts_in_the_end() {
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 3), plays);
    show(&mut mask, (3, 12), |_| Vec::new());
    assert!(is_masked(&mask, CAMERA));
    show(&mut mask, (12, 15), |_| Vec::new());
    assert!(!mask.is_masked(GRID.columns * 34 + 66));
}

#[test]
fn scrolled_photos_count_when_they_rest() {
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 1), |n| change(PHOTOS, n as u32, Texture::Filmed));
    show(&mut mask, (1, 3), |_| Vec::new());
    assert!(!GRID.blocks(PHOTOS).any(|n| mask.is_masked(n)));
}

#[test]
fn transition_of_whole_screen_makes_no_tile() {
    let mut mask = MotionMask::new(GRID);
    let all = Rect { left: 0, top: 0, right: 79, bottom: 44 };
    show(&mut mask, (0, 1), |n| {
        let mut changes = change(all, n as u32, Texture::Drawn);
        for n in GRID.blocks(CAMERA) {
            changes[n].texture = Texture::Filmed;
        }
        changes
    });
    assert!(!GRID.blocks(all).any(|n| mask.is_masked(n)));
}

#[test]
fn tile_grows_to_blocks_that_move_with_it() {
    let narrow = Rect { right: CAMERA.right - 1, ..CAMERA };
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 2), |n| change(narrow, n as u32, Texture::Filmed));
    show(&mut mask, (2, 3), |n| match n {
        25 => change(CAMERA, 1000, Texture::Plain),
        _ => Vec::new(),
    });
    assert_eq!(mask.tiles.all.len(), 1);
    assert_eq!(mask.tiles.all[0].rect, CAMERA);
}

#[test]
fn clock_is_masked_and_typed_text_is_not() {
    let digit = Rect { left: 76, top: 0, right: 77, bottom: 1 };
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 6), |n| match n % 10 {
        0 => change(digit, n as u32, Texture::Drawn),
        _ => Vec::new(),
    });
    assert!(is_masked(&mask, digit));

    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 6), |n| {
        let left = 10 + n as usize / 2;
        change(Rect { left, top: 10, right: left, bottom: 11 }, n as u32, Texture::Drawn)
    });
    assert!(!(0..GRID.count()).any(|n| mask.is_masked(n)));
}

#[test]
fn photo_that_comes_and_goes_alone_is_a_tile() {
    let fades = |n: i64| match n % 20 {
        5 => change(CAMERA, n as u32, Texture::Filmed),
        15 => change(CAMERA, n as u32, Texture::Plain),
        _ => Vec::new(),
    };
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 1), fades);
    assert!(!is_masked(&mask, CAMERA), "once may be news");
    show(&mut mask, (1, 3), fades);
    assert!(is_masked(&mask, CAMERA));

    let text = Rect { left: 5, top: 5, right: 40, bottom: 20 };
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 5), |n| match fades(n) {
        photo if photo.is_empty() => photo,
        photo => [photo, change(text, n as u32, Texture::Drawn)].concat(),
    });
    assert!(!GRID.blocks(CAMERA).any(|n| mask.is_masked(n)));
}

#[test]
fn tile_grows_to_undrawn_motion_at_its_edge() {
    let edge = |texture: Texture| {
        let rect = Rect { left: CAMERA.right + 2, right: CAMERA.right + 4, ..CAMERA };
        let mut mask = MotionMask::new(GRID);
        show(&mut mask, (0, 3), |n| {
            let edge = Rect { bottom: rect.top + 2, ..rect };
            let more = if n == 25 { change(edge, 1000, texture) } else { Vec::new() };
            [plays(n), more].concat()
        });
        mask.tiles.all[0].rect.right
    };
    assert_eq!(edge(Texture::Plain), CAMERA.right + 4);
    assert_eq!(edge(Texture::Drawn), CAMERA.right);
}

#[test]
fn tile_does_not_grow_into_another() {
    let left = Rect { left: 30, right: 42, ..CAMERA };
    let right = Rect { left: 45, right: 54, ..CAMERA };
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 3), |n| {
        [change(left, n as u32, Texture::Filmed), change(right, n as u32, Texture::Filmed)].concat()
    });
    let mut rects: Vec<Rect> = mask.tiles.all.iter().map(|tile| tile.rect).collect();
    rects.sort_by_key(|rect| rect.left);
    assert_eq!(rects, [left, right]);
}

#[test]
fn several_tiles_changing_at_once_are_another_page() {
    let other = Rect { left: 20, top: 10, right: 35, bottom: 20 };
    let mut mask = MotionMask::new(GRID);
    let both = |n: i64| [plays(n), change(other, n as u32, Texture::Filmed)].concat();
    show(&mut mask, (0, 2), |n| if n % 2 == 0 { plays(n) } else { both(n) });
    assert!(mask.tiles.all.len() == 2);
    show(&mut mask, (2, 3), plays);
    assert!(mask.push(3 * SECOND, &both(2000)));
    assert!(!mask.push(3 * SECOND + 1, &both(2001)), "they go on to move");
    assert!(!mask.push(4 * SECOND, &plays(2002)));
}

#[test]
fn clock_that_moves_as_it_ticks_stays_masked() {
    let (digit, clock) = (
        Rect { left: 70, top: 3, right: 71, bottom: 4 },
        Rect { left: 62, top: 3, right: 71, bottom: 4 },
    );
    let ticks = |n: i64| {
        let is_wider = n >= 100;
        let rect = if is_wider { clock } else { digit };
        if n % 10 == 0 { change(rect, 1000 + n as u32, Texture::Drawn) } else { Vec::new() }
    };
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 10), ticks);
    assert!(is_masked(&mask, digit) && !is_masked(&mask, clock));
    show(&mut mask, (10, 12), ticks);
    assert!(is_masked(&mask, clock));

    // A page that comes with a tick is no clock.
    let page = Rect { left: 20, top: 3, right: 71, bottom: 20 };
    let mut mask = MotionMask::new(GRID);
    show(&mut mask, (0, 10), ticks);
    show(
        &mut mask,
        (10, 11),
        |n| {
            if n == 100 { change(page, 1, Texture::Drawn) } else { Vec::new() }
        },
    );
    assert!(!mask.is_masked(GRID.columns * 10 + 30) && !is_masked(&mask, digit));
}
