//! Every instruction set against the specification, at the boundaries of every vector width.

use super::*;

const LENGTHS: [usize; 18] =
    [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 384, 385, 768, 1025];

/// Reproducible values over many magnitudes, both signs, with some zeros.
fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let unit = (state >> 40) as f32 / 16_777_216.0 - 0.5;
            let magnitude = [1.0, 1e-3, 1e3, 1e-20, 0.0][(state % 5) as usize];
            unit * magnitude
        })
        .collect()
}

fn kernels() -> impl Iterator<Item = Kernels> {
    Isa::available().filter_map(Kernels::with_isa)
}

#[test]
fn canonical_scores_have_the_same_bits_on_every_isa() {
    for n in LENGTHS {
        let (q, x) = (values(n, 1), values(n, 2));
        for kernel in kernels() {
            let isa = kernel.isa().name();
            assert_eq!(kernel.dot(&q, &x).to_bits(), scalar::dot(&q, &x).to_bits(), "{isa} {n}");
            assert_eq!(
                kernel.squared_distance(&q, &x).to_bits(),
                scalar::squared_distance(&q, &x).to_bits(),
                "{isa} {n}"
            );
        }
    }
}

#[test]
fn the_tree_adds_halves_onto_halves() {
    // 1e16 absorbs a lone 1: only the stated order pairs the ones before they meet it.
    let mut lanes = [1.0; LANES];
    lanes[0] = 1e16;
    lanes[8] = -1e16;
    // (1e16 - 1e16) + 7 pairs of (1 + 1).
    assert_eq!(scalar::tree(lanes), 14.0);
}

/// Rounding bound of a sum of n products: n * eps * (sum of their absolute values).
fn bound(q: &[f32], x: &[f32]) -> f64 {
    let mass: f64 = q.iter().zip(x).map(|(a, b)| (f64::from(*a) * f64::from(*b)).abs()).sum();
    f64::from(f32::EPSILON) * (q.len() as f64 + 4.0) * mass + f64::from(f32::MIN_POSITIVE)
}

#[test]
fn tiles_stay_within_the_rounding_bound_and_mark_exactly_the_hits() {
    for kernel in kernels() {
        for waiting in [1, 4, 16, 17, 32, 33, 64] {
            let shape = kernel.shape(waiting);
            for dim in LENGTHS {
                let queries: Vec<_> =
                    (0..shape.lanes).map(|i| values(dim, 10 + i as u64)).collect();
                let corpus: Vec<_> = (0..shape.rows).map(|i| values(dim, 900 + i as u64)).collect();
                let panel: Vec<f32> =
                    (0..dim).flat_map(|d| queries.iter().map(move |q| q[d])).collect();
                let floor: Vec<f32> = (0..shape.lanes).map(|i| i as f32 * 1e-3).collect();
                let tile = Tile {
                    panel: &panel,
                    rows: std::array::from_fn(|r| &corpus[r.min(shape.rows - 1)][..]),
                    scale: std::array::from_fn(|r| 1.0 + r as f32),
                    shift: std::array::from_fn(|r| r as f32 * 0.25),
                    floor: &floor,
                };
                // Keys are written only beside a hit: without floors, everything is one.
                let open = vec![f32::NEG_INFINITY; shape.lanes];
                let mut keys = [f32::NAN; MAX_TILE_KEYS];
                let all = kernel.tile(shape, &Tile { floor: &open, ..tile }, &mut keys);
                let lanes = if shape.lanes == 64 { u64::MAX } else { (1 << shape.lanes) - 1 };
                assert!(all[..shape.rows].iter().all(|&bits| bits == lanes));
                let hits = kernel.tile(shape, &tile, &mut [0.0; MAX_TILE_KEYS]);
                for (r, row) in corpus.iter().enumerate() {
                    for (lane, query) in queries.iter().enumerate() {
                        let key = keys[r * shape.lanes + lane];
                        let (scale, shift) = (f64::from(tile.scale[r]), f64::from(tile.shift[r]));
                        let exact = scalar::dot(query, row) * scale + shift;
                        let slack = bound(query, row) * scale + exact.abs().max(shift) * 1e-6;
                        let isa = kernel.isa().name();
                        assert!(
                            (f64::from(key) - exact).abs() <= slack,
                            "{isa} {shape:?} dim {dim} row {r} lane {lane}: {key} for {exact}"
                        );
                        assert_eq!(hits[r] >> lane & 1 == 1, key >= floor[lane]);
                    }
                }
            }
        }
    }
}

/// Two groups of rows and a panel, as the passes lay them out.
fn bf16_problem(dim: usize, kernel: Kernels) -> (Vec<bf16::Line>, Vec<bf16::Line>) {
    let lines = bf16::steps(dim) * 2 * bf16::GROUP;
    let (mut rows, mut panel) = (vec![bf16::Line::ZERO; lines], vec![bf16::Line::ZERO; lines]);
    for i in 0..bf16::SIDE {
        let start = i / bf16::GROUP * lines / 2 + i % bf16::GROUP;
        let _ = kernel.encode_bf16(&values(dim, 50 + i as u64), 1.5, &mut rows[start..], 16);
        for (d, value) in values(dim, 90 + i as u64).into_iter().enumerate() {
            let (line, place) = bf16::panel_place(d, i);
            panel[line].0[place] = bf16::round(value);
        }
    }
    (rows, panel)
}

#[test]
fn bf16_codes_are_the_same_on_every_isa_and_their_loss_is_measured() {
    let scalar = Kernels::with_isa(Isa::Scalar).unwrap();
    for kernel in kernels() {
        for dim in LENGTHS {
            assert_eq!(bf16_problem(dim, kernel), bf16_problem(dim, scalar), "{kernel:?} {dim}");
            let (x, mut lines) = (values(dim, 3), vec![bf16::Line::ZERO; bf16::steps(dim)]);
            let lost = kernel.encode_bf16(&x, 0.7, &mut lines, 1);
            let exact: f64 = x
                .iter()
                .zip(lines.iter().flat_map(|line| line.0))
                .map(|(value, code)| f64::from(value * 0.7) - f64::from(bf16::widen(code)))
                .map(|rest| rest * rest)
                .sum();
            let slack = exact * 1e-2 + dim as f64 * f64::from(f32::MIN_POSITIVE);
            assert!((lost - exact).abs() <= slack, "{kernel:?} {dim}: {lost} for {exact}");
        }
    }
}

#[test]
fn bf16_tiles_stay_within_the_rounding_bound_and_mark_exactly_the_hits() {
    for kernel in kernels() {
        for dim in LENGTHS {
            let (rows, panel) = bf16_problem(dim, kernel);
            let floor = std::array::from_fn(|lane| lane as f32 * 1e-2 - 0.1);
            let (scale, shift) = ([1.25; bf16::SIDE], [0.125; bf16::SIDE]);
            let tile = Bf16Tile {
                rows: &rows,
                panel: &panel,
                scale: &scale,
                shift: &shift,
                floor: &floor,
            };
            let mut tiles = Bf16Tiles::new(kernel);
            let hits = tiles.run(&tile);
            for (row, &hits) in hits.iter().enumerate() {
                let group = row / bf16::GROUP * rows.len() / 2 + row % bf16::GROUP;
                for (lane, &floor) in floor.iter().enumerate() {
                    let (mut exact, mut mass) = (0.0, 0.0);
                    for d in 0..dim {
                        let (line, place) = bf16::panel_place(d, lane);
                        let code = rows[group + d / bf16::STEP * bf16::GROUP].0[d % bf16::STEP];
                        let product = f64::from(bf16::widen(code))
                            * f64::from(bf16::widen(panel[line].0[place]));
                        exact += product;
                        mass += product.abs();
                    }
                    let key = tiles.key(&tile, row, lane);
                    let truth = exact * 1.25 + 0.125;
                    let bound =
                        f64::from(f32::EPSILON) * ((2 * dim + 8) as f64 * mass * 1.25 + 1.0);
                    assert!(
                        (f64::from(key) - truth).abs() <= bound,
                        "{kernel:?} {dim} {row} {lane}"
                    );
                    // The instructions may fuse what `key` does in two steps: look away near the floor.
                    if (f64::from(key) - f64::from(floor)).abs() > bound {
                        assert_eq!(hits >> lane & 1 == 1, key >= floor);
                    }
                }
            }
        }
    }
}

#[test]
fn a_nan_key_is_always_a_hit() {
    for kernel in kernels() {
        for waiting in [1, 16, 32, 64] {
            let shape = kernel.shape(waiting);
            let (panel, row) = (vec![1.0; shape.lanes], [1.0_f32]);
            let floor = vec![f32::INFINITY; shape.lanes];
            let tile = Tile {
                panel: &panel,
                rows: [&row; MAX_TILE_ROWS],
                scale: [f32::NAN; MAX_TILE_ROWS],
                shift: [0.0; MAX_TILE_ROWS],
                floor: &floor,
            };
            let hits = kernel.tile(shape, &tile, &mut [0.0; MAX_TILE_KEYS]);
            assert!(
                hits[..shape.rows].iter().all(|bits| bits.count_ones() as usize == shape.lanes)
            );
        }
    }
}

#[test]
fn an_unknown_or_missing_isa_is_refused_by_name() {
    let error = Isa::parse("avx9000").unwrap_err().to_string();
    assert!(error.contains("avx9000") && error.contains("scalar"), "{error}");
    assert_eq!(Isa::parse(" Scalar ").unwrap(), Isa::Scalar);
}

/// Codes from -127 to 127 that look random.
fn codes(n: usize, seed: u64) -> Vec<i8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as i64
    };
    (0..n).map(|_| (next() % 255 - 127) as i8).collect()
}

#[test]
fn scans_of_codes_report_exactly_the_hits_on_every_isa() {
    use super::int8::{GROUP, Hit, Int8Panel, Int8Rows, Line, MAX_LANES, group_lines, panel_place};
    // Few values per number, so that every step of a key is exact whatever its order.
    for dim in [1, 4, 63, 64, 65, 384, 1024] {
        let pitch = int8::stride(dim);
        for counts in [vec![1], vec![5], vec![31, 1], vec![32, 33], vec![97], vec![64, 12, 7]] {
            let total: usize = counts.iter().sum();
            let mut rows = codes(total * pitch, dim as u64);
            rows.chunks_mut(pitch).for_each(|row| row[dim..].fill(0));
            // The extremes, where 16-bit sums would saturate.
            rows[..dim].fill(127);
            let sums: Vec<i32> =
                rows.chunks(pitch).map(|row| row.iter().map(|&c| i32::from(c)).sum()).collect();
            let fact = |of: fn(usize) -> f32| (0..total).map(of).collect::<Vec<f32>>();
            let scale = fact(|r| [1.0, 0.5, 2.0][r % 3]);
            let shift = fact(|r| (r % 7) as f32 * 4.0);
            let (lost, size) = (fact(|r| (r % 5) as f32), fact(|r| (r % 4) as f32 * 2.0));
            let own = fact(|r| [f32::INFINITY, 900.0, -1e4, f32::NEG_INFINITY][r % 4]);
            for waiting in [1, 16, 17, 32, 33, 64] {
                let queries: Vec<Vec<i8>> =
                    (0..MAX_LANES).map(|lane| codes(dim, 1_000 + lane as u64)).collect();
                let lane_scale = std::array::from_fn(|lane| [0.25, 1.0][lane % 2]);
                let share = std::array::from_fn(|lane| [8.0, 2.0, 0.0][lane % 3]);
                let lead = std::array::from_fn(|lane| [200.0, 0.0, -32.0][lane % 3]);
                for (kernel, lead) in kernels().flat_map(|k| [(k, None), (k, Some(&lead))]) {
                    let always = if lead.is_some() { f32::NEG_INFINITY } else { f32::NAN };
                    let floors = [f32::INFINITY, 500.0, -1e4, always];
                    let floor = std::array::from_fn(|lane| floors[lane % 4]);
                    let lanes = kernel.int8_lanes(waiting);
                    let flip = kernel.int8_query_flip();
                    let group = group_lines(dim);
                    let mut lines = vec![Line([flip as i8; 64]); lanes / GROUP * group];
                    for lane in 0..lanes {
                        for (d, &code) in queries[lane].iter().enumerate() {
                            let (line, place) = panel_place(d, lane);
                            lines[lane / GROUP * group + line].0[place] = (code as u8 ^ flip) as i8;
                        }
                    }
                    let panel = Int8Panel {
                        lines: &lines,
                        scale: &lane_scale,
                        share: &share,
                        ratio: 0.5,
                        floor: &floor,
                        lead,
                    };
                    let mut first = 0;
                    let mut blocks = Vec::new();
                    for &count in &counts {
                        let place = first..first + count;
                        blocks.push(Int8Rows {
                            codes: &rows[first * pitch..(first + count) * pitch],
                            scale: &scale[place.clone()],
                            shift: &shift[place.clone()],
                            lost: &lost[place.clone()],
                            size: &size[place.clone()],
                            sums: &sums[place.clone()],
                            floor: if lead.is_some() { &own[place] } else { &[] },
                        });
                        first += count;
                    }
                    let mut found = Vec::new();
                    kernel.scan_int8(&panel, &blocks, pitch, true, &mut found);
                    found.sort_by_key(|hit: &Hit| (hit.row(), hit.lane()));
                    let mut expected = Vec::new();
                    for row in 0..total {
                        for lane in 0..lanes {
                            let product: i32 = rows[row * pitch..]
                                .iter()
                                .zip(&queries[lane])
                                .map(|(&a, &b)| i32::from(a) * i32::from(b))
                                .sum();
                            let key = product as f32 * lane_scale[lane] * scale[row]
                                + shift[row]
                                + share[lane] * (lost[row] + 0.5 * size[row]);
                            let to_row = |lead: &[f32; MAX_LANES]| {
                                scalar::is_hit(key, own[row] - lead[lane])
                            };
                            if scalar::is_hit(key, floor[lane]) || lead.is_some_and(to_row) {
                                expected.push(Hit::new(row, lane, key));
                            }
                        }
                    }
                    let what = format!("{} dim {dim} {counts:?} x {lanes}", kernel.isa().name());
                    assert_eq!(found, expected, "{what}");
                }
            }
        }
    }
}

#[test]
fn every_isa_writes_the_same_codes() {
    for dim in [64, 128, 384, 1088] {
        for seed in 0..4 {
            let x = values(dim, 50 + seed);
            let mut expected = vec![0; dim];
            let coded = Kernels::with_isa(Isa::Scalar).unwrap().encode_int8(&x, &mut expected);
            for kernel in kernels() {
                let mut found = vec![1; dim];
                assert_eq!(kernel.encode_int8(&x, &mut found), coded, "{}", kernel.isa().name());
                assert_eq!(found, expected);
            }
        }
    }
}
