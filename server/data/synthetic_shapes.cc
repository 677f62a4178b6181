// How an image is made.
//
// Everything is drawn from one random stream per image: (fixed seed, split, image index). The first
// words choose the class and the scene, later blocks are the noise of the pixels, at fixed places
// in the stream. All of it is integer arithmetic: no libm, no floating point, hence no difference
// between machines or compilers.
//
// A scene is painted back to front: a background with a slant in brightness; clutter (short bars as
// strong as the shape); the shape, moved, scaled and turned by a little; one more bar, which may
// hide a part of it; noise. Neither colour nor brightness says anything about the class, so a
// network has to look at the form. The shape is lighter than its background in two images of three
// and darker in the third: with both equally likely a dense network would find no average image of
// a class to start from, and with one only a linear classifier would do nearly as well as a deep
// one. The contrast goes down to where the noise hides the form, so that no network is always
// right.
//
// Coordinates: the unit is 1/4 pixel, and each pixel is sampled at its four points (1/4 or 3/4, 1/4
// or 3/4), which smooths the edges. A rotation by a small angle multiplies by (cosine, sine) * 64,
// so lengths in the turned frame have the unit 1/256 pixel; the largest, squared, stays far below
// 2^31.
#include "server/data/synthetic_shapes.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "server/core/random.h"

namespace anneal {
namespace {

constexpr uint64_t kSeed = 0x616e6e65616c;  // fixed for ever: another seed is another data set
constexpr uint32_t kSceneBlocks = 64;       // the noise begins at this block; a scene uses fewer
constexpr int kSubpixels = 4;   // units of length in a pixel
constexpr int kTurnScale = 64;  // cosine of no turn

enum Shape : int32_t {
  kDisc,
  kRing,
  kSquare,
  kFrame,
  kTriangle,
  kCross,
  kSaltire,
  kHorizontalStripes,
  kVerticalStripes,
  kChecker,
  kShapes
};

const std::array<const char*, kShapes> kShapeNames = {
    "disc",  "ring",    "square",             "frame",            "triangle",
    "cross", "saltire", "horizontal_stripes", "vertical_stripes", "checker"};

using Colour = std::array<int, 3>;

// Consecutive random words of one image's stream.
class Draws {
 public:
  explicit Draws(const RandomStream& stream) : stream_(stream) {}

  // lowest..highest, both included.
  int Between(int lowest, int highest) {
    if (next_ % 4 == 0) words_ = stream_.Block(next_ / 4);
    const uint64_t word = words_[next_++ % 4];
    return lowest + static_cast<int>(word * static_cast<uint64_t>(highest - lowest + 1) >> 32);
  }

 private:
  const RandomStream& stream_;
  std::array<uint32_t, 4> words_ = {};
  uint32_t next_ = 0;
};

int IntegerSquareRoot(int square) {
  int root = 0;
  while ((root + 1) * (root + 1) <= square) ++root;
  return root;
}

// A form with its centre and its frame of reference.
struct Placement {
  int x = 0, y = 0;  // 1/4 pixel
  int radius = 0;    // 1/256 pixel: the form lies within the square of this half side
  int cosine = kTurnScale, sine = 0;
};

void Turn(Placement& placement, int sine) {
  placement.sine = sine;
  placement.cosine = IntegerSquareRoot(kTurnScale * kTurnScale - sine * sine);
}

// Whether the point (u, v), seen from the centre of a form of radius r, lies on the form.
bool Covers(int32_t shape, int u, int v, int r) {
  const int horizontal = std::abs(u);
  const int vertical = std::abs(v);
  const int farther = std::max(horizontal, vertical);
  const int nearer = std::min(horizontal, vertical);
  switch (shape) {
    case kDisc:
      return u * u + v * v <= r * r;
    case kRing:
      return u * u + v * v <= r * r && u * u + v * v >= r * r / 3;
    case kSquare:
      return farther <= r * 7 / 8;
    case kFrame:
      return farther <= r * 7 / 8 && farther >= r / 2;
    case kTriangle:
      return v >= -r && v <= r * 3 / 4 && horizontal <= (v + r) * 4 / 7;
    case kCross:
      return farther <= r && nearer <= r / 4;
    case kSaltire: {
      const int falling = std::abs(u - v);
      const int rising = std::abs(u + v);
      return farther <= r && std::min(falling, rising) <= r * 3 / 8;
    }
    case kHorizontalStripes:
      return farther <= r && (v + r) * 5 / (2 * r) % 2 == 0;
    case kVerticalStripes:
      return farther <= r && (u + r) * 5 / (2 * r) % 2 == 0;
    default:  // kChecker
      return farther < r && ((u + r) * 4 / (2 * r) + (v + r) * 4 / (2 * r)) % 2 == 0;
  }
}

class Canvas {
 public:
  // A background that gets lighter by `slope_x`, `slope_y` (in 1/16 level a pixel) away from the
  // middle.
  Canvas(const Colour& colour, int slope_x, int slope_y) {
    for (int y = 0; y < kSyntheticSide; ++y) {
      for (int x = 0; x < kSyntheticSide; ++x) {
        const int slant =
            (slope_x * (x - kSyntheticSide / 2) + slope_y * (y - kSyntheticSide / 2)) / 16;
        for (int c = 0; c < 3; ++c) At(y, x, c) = colour[static_cast<size_t>(c)] + slant;
      }
    }
  }

  // Paints every point that `covers(u, v)` says yes to; u, v as in Placement, from its centre.
  template <typename Form>
  void Paint(const Placement& place, const Colour& colour, const Form& covers) {
    // Half the diagonal of the square, in whole pixels rounded up: the turned square reaches no
    // farther.
    const int reach = place.radius * 3 / 2 / (kSubpixels * kTurnScale) + 1;
    const int top = std::max(0, place.y / kSubpixels - reach);
    const int bottom = std::min(kSyntheticSide - 1, place.y / kSubpixels + reach);
    const int left = std::max(0, place.x / kSubpixels - reach);
    const int right = std::min(kSyntheticSide - 1, place.x / kSubpixels + reach);
    for (int y = top; y <= bottom; ++y) {
      for (int x = left; x <= right; ++x) {
        int covered = 0;
        for (int sample = 0; sample < 4; ++sample) {
          const int dx = kSubpixels * x + 1 + sample % 2 * 2 - place.x;
          const int dy = kSubpixels * y + 1 + sample / 2 * 2 - place.y;
          covered +=
              covers(place.cosine * dx + place.sine * dy, place.cosine * dy - place.sine * dx) ? 1
                                                                                               : 0;
        }
        if (covered == 0) continue;
        for (int c = 0; c < 3; ++c) {
          int& value = At(y, x, c);
          value += (colour[static_cast<size_t>(c)] - value) * covered / 4;
        }
      }
    }
  }

  // Adds noise with a triangular distribution (two bytes a value) of at most about `amplitude`
  // levels.
  void Finish(const RandomStream& stream, int amplitude, SyntheticImage& image) const {
    std::array<uint32_t, 4> words = {};
    for (size_t i = 0; i < values_.size(); ++i) {
      if (i % 8 == 0) words = stream.Block(kSceneBlocks + static_cast<uint32_t>(i / 8));
      const uint32_t half = words[i % 8 / 2] >> (i % 2 * 16);
      const int noise = static_cast<int>(half & 0xff) + static_cast<int>(half >> 8 & 0xff) - 255;
      image.pixels[i] =
          static_cast<uint8_t>(std::clamp(values_[i] + noise * amplitude / 255, 0, 255));
    }
  }

 private:
  int& At(int y, int x, int c) {
    return values_[static_cast<size_t>((y * kSyntheticSide + x) * 3 + c)];
  }

  std::array<int, kSyntheticSide* kSyntheticSide* 3> values_ = {};
};

// A colour `contrast` levels lighter or darker than `other`, a little different in each channel.
Colour Contrasting(Draws& draws, const Colour& other, int contrast) {
  const int sign = draws.Between(0, 2) == 0 ? -1 : 1;
  Colour colour = other;
  for (int& channel : colour) channel += sign * contrast * draws.Between(8, 24) / 16;
  return colour;
}

}  // namespace

SyntheticImage MakeSyntheticImage(SyntheticSplit split, uint64_t index) {
  const RandomStream stream = {.seed = kSeed,
                               .purpose = RandomPurpose::kSynthetic,
                               .layer = static_cast<uint32_t>(split),
                               .position = index};
  Draws draws(stream);
  SyntheticImage image;
  image.label = draws.Between(0, kShapes - 1);

  Colour background = {};
  const int brightness = draws.Between(50, 110);
  for (int& channel : background) channel = brightness + draws.Between(-20, 20);
  const int slope_x = draws.Between(-12, 12);
  const int slope_y = draws.Between(-12, 12);
  Canvas canvas(background, slope_x, slope_y);

  const int contrast = draws.Between(12, 90);

  constexpr int kMiddle = kSyntheticSide * kSubpixels / 2;
  const auto bar = [&] {
    Placement place;
    place.x = draws.Between(0, kSyntheticSide * kSubpixels);
    place.y = draws.Between(0, kSyntheticSide * kSubpixels);
    Turn(place, draws.Between(-kTurnScale, kTurnScale));
    place.radius = draws.Between(2 * 256, 6 * 256);
    const int half_thickness = draws.Between(1 * 128, 3 * 128);
    const Colour colour = Contrasting(draws, background, contrast);
    canvas.Paint(place, colour, [&](int u, int v) {
      return std::abs(u) <= place.radius && std::abs(v) <= half_thickness;
    });
  };
  const int clutter = draws.Between(1, 4);
  for (int i = 0; i < clutter; ++i) bar();

  Placement place;
  place.x = kMiddle + draws.Between(-3 * kSubpixels, 3 * kSubpixels);
  place.y = kMiddle + draws.Between(-3 * kSubpixels, 3 * kSubpixels);
  place.radius = draws.Between(8 * 256, 12 * 256);
  Turn(place, draws.Between(-10, 10));
  const Colour colour = Contrasting(draws, background, contrast);
  canvas.Paint(place, colour,
               [&](int u, int v) { return Covers(image.label, u, v, place.radius); });

  bar();

  canvas.Finish(stream, draws.Between(20, 90), image);
  return image;
}

namespace {

DatasetSplit MakeSplit(const std::string& name, SyntheticSplit split, int64_t samples) {
  DatasetSplit result;
  result.name = name;
  result.images.reserve(static_cast<size_t>(samples) * sizeof(SyntheticImage::pixels));
  result.labels.reserve(static_cast<size_t>(samples));
  for (int64_t index = 0; index < samples; ++index) {
    const SyntheticImage image = MakeSyntheticImage(split, static_cast<uint64_t>(index));
    result.images.insert(result.images.end(), image.pixels.begin(), image.pixels.end());
    result.labels.push_back(image.label);
  }
  return result;
}

}  // namespace

absl::StatusOr<DatasetInfo> SyntheticShapesReader::Describe() const {
  DatasetInfo info;
  info.name = name_;
  info.format = "synthetic-shapes";
  info.shape = {kSyntheticSide, kSyntheticSide, 3};
  info.class_names.assign(kShapeNames.begin(), kShapeNames.end());
  info.splits = {{"train", kSyntheticTrainSamples}, {"test", kSyntheticTestSamples}};
  return info;
}

absl::StatusOr<Dataset> SyntheticShapesReader::Load() const {
  std::vector<DatasetSplit> splits;
  splits.push_back(MakeSplit("train", SyntheticSplit::kTrain, kSyntheticTrainSamples));
  splits.push_back(MakeSplit("test", SyntheticSplit::kTest, kSyntheticTestSamples));
  return Dataset(*Describe(), std::move(splits));
}

}  // namespace anneal
