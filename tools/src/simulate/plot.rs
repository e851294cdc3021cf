//! A plot of the durability of each scheme, as SVG or PNG.
//!
//! Letters come from a font within the program, so that none of the machine is needed.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::markov::{durability, nines};
use super::scheme::Scheme;
use super::settings::Settings;

/// Width and height, pixels.
const SIZE: (u32, u32) = (960, 600);

/// Points of each curve.
const POINTS: u32 = 33;

/// Nines beyond which a curve is cut: a float ends near 308.
const MOST_NINES: f64 = 300.0;

/// The name under which the font is registered, one that viewers of an SVG know.
const FONT: &str = "sans-serif";

/// Colours that people with any colour vision tell apart (Okabe and Ito, 2008), yellow left out.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

/// What varies along a plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlotOver {
    /// The failure rate of disks
    DiskAfr,
    /// The rate of repair
    RepairRate,
}

impl PlotOver {
    fn title(self) -> &'static str {
        match self {
            Self::DiskAfr => "disks that fail in a year, %",
            Self::RepairRate => "MiB/s that a node reads for repair",
        }
    }

    /// From a tenth of what is set to thirty times it.
    fn values(self, settings: &Settings) -> Vec<f64> {
        let middle = match self {
            // A cluster whose disks never fail has a curve all the same.
            Self::DiskAfr if settings.disk_afr == 0.0 => Settings::default().disk_afr,
            Self::DiskAfr => settings.disk_afr,
            Self::RepairRate => settings.repair_mib_per_node,
        };
        let factor = |i: u32| 10f64.powf(-1.0 + 2.5 * f64::from(i) / f64::from(POINTS - 1));
        (0..POINTS).map(|i| middle * factor(i)).collect()
    }

    fn set(self, settings: &mut Settings, value: f64) {
        match self {
            Self::DiskAfr => settings.disk_afr = value,
            Self::RepairRate => settings.repair_mib_per_node = value,
        }
    }
}

/// Why there is no plot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlotError {
    #[error("{path}: a plot is a .svg or .png", path = path.display())]
    UnknownEnding { path: PathBuf },
    #[error("cannot draw {path}: {why}", path = path.display())]
    Drawing { path: PathBuf, why: String },
}

/// The formats of plots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Svg,
    Png,
}

impl Format {
    /// The format that a file's name asks for.
    pub(super) fn of(path: &Path) -> Result<Self, PlotError> {
        let ending = path.extension().and_then(|it| it.to_str());
        match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            _ => Err(PlotError::UnknownEnding {
                path: path.to_owned(),
            }),
        }
    }
}

/// A scheme's nines over what varies.
struct Curve {
    name: String,
    all_causes: Vec<(f64, f64)>,
    without_site_losses: Vec<(f64, f64)>,
}

/// Draws the nines of all schemes into the file `path`.
///
/// # Errors
/// When the file's ending is none that is known, or it can't be written.
pub(super) fn plot(settings: &Settings, over: PlotOver, path: &Path) -> Result<(), PlotError> {
    let failed = |error: &dyn std::fmt::Display| PlotError::Drawing {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let font = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
    assert!(font.is_ok(), "the font within the program is well formed");
    let curves: Vec<Curve> = settings
        .profile
        .iter()
        .map(|it| curve(settings, over, it))
        .collect();
    match Format::of(path)? {
        Format::Svg => {
            let area = SVGBackend::new(path, SIZE).into_drawing_area();
            draw(&area, over, &curves).map_err(|error| failed(&error))
        }
        Format::Png => {
            let area = BitMapBackend::new(path, SIZE).into_drawing_area();
            draw(&area, over, &curves).map_err(|error| failed(&error))
        }
    }
}

fn curve(settings: &Settings, over: PlotOver, scheme: &Scheme) -> Curve {
    let points = |site_loss_per_year: f64| {
        let mut settings = Settings {
            site_loss_per_year,
            ..settings.clone()
        };
        let values = over.values(&settings).into_iter();
        values
            .map(|value| {
                over.set(&mut settings, value);
                let loss = durability(&settings, scheme).loss_in_a_year();
                (value, nines(loss).min(MOST_NINES))
            })
            .collect()
    };
    Curve {
        name: scheme.to_string(),
        all_causes: points(settings.site_loss_per_year),
        without_site_losses: points(0.0),
    }
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    over: PlotOver,
    curves: &[Curve],
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    area.fill(&WHITE)?;
    let points = || {
        curves
            .iter()
            .flat_map(|it| it.all_causes.iter().chain(&it.without_site_losses))
    };
    let ends = |of: fn(&(f64, f64)) -> f64| {
        let fold = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
        points()
            .map(of)
            .fold((f64::INFINITY, f64::NEG_INFINITY), fold)
    };
    let (left, right) = ends(|it| it.0);
    let (_, top) = ends(|it| it.1);
    let mut chart = ChartBuilder::on(area)
        .caption(
            "Durability: nines a year against any loss in the cluster",
            (FONT, 20),
        )
        .margin(16)
        .x_label_area_size(52)
        .y_label_area_size(56)
        .build_cartesian_2d((left..right).log_scale(), 0.0..(top * 1.05).max(1.0))?;
    chart
        .configure_mesh()
        .x_desc(over.title())
        .y_desc("nines (dashed: if sites are never lost)")
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 15))
        .light_line_style(WHITE)
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let line = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(curve.all_causes.iter().copied(), line))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], line));
        let points = curve.without_site_losses.iter().copied();
        chart.draw_series(DashedLineSeries::new(points, 6, 4, colour.stroke_width(1)))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(RGBColor(160, 160, 160))
        .label_font((FONT, 14))
        .draw()?;
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_drawn() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::default();
        for (name, head) in [("a.svg", &b"<svg"[..]), ("a.PNG", b"\x89PNG")] {
            let path = dir.path().join(name);
            plot(&settings, PlotOver::DiskAfr, &path).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert!(bytes.starts_with(head), "{name}");
        }
        let svg = std::fs::read_to_string(dir.path().join("a.svg")).unwrap();
        for scheme in &settings.profile {
            assert!(svg.contains(&scheme.to_string()), "{scheme}");
        }
    }

    #[test]
    fn other_endings_are_refused() {
        for name in ["a", "a.jpg", "svg"] {
            assert!(Format::of(Path::new(name)).is_err(), "{name}");
        }
    }
}
