#include "client/reliability_diagram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace anneal::client {
namespace {

using Bin = v1::SetMeasures::CalibrationBin;

constexpr int kGap = 2;
constexpr int kWidestBar = 40;
constexpr int kNarrowestBar = 10;
constexpr int kAccuracyColumns = 8;  // "ACCURACY"

// "0.93-1.00", with as many digits as tell the bins apart.
std::string BinText(const Bin& bin, int digits) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%.*f-%.*f", digits, bin.lower(), digits, bin.upper());
  return text.data();
}

// A bar of `width` columns filled to `accuracy`, with a mark at `confidence`.
std::string MarkedBar(double accuracy, double confidence, int width, const Style& style) {
  constexpr std::array<const char*, 9> kEighths = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
  const auto share = [](double value) {
    return std::isnan(value) ? 0 : std::clamp(value, 0.0, 1.0);
  };
  const int mark = std::min(width - 1, static_cast<int>(share(confidence) * width));
  const int eighths = static_cast<int>(std::lround(share(accuracy) * width * 8));
  const auto filled = [&](int begin, int end) {
    std::string cells;
    for (int column = begin; column < end; ++column) {
      const int part = std::clamp(eighths - column * 8, 0, 8);
      cells += style.unicode ? kEighths[static_cast<size_t>(part)] : part >= 4 ? "#" : " ";
    }
    return Paint(cells, Color::kCyan, style);
  };
  return filled(0, mark) + Paint(style.unicode ? "│" : "|", Color::kYellow, style) +
         filled(mark + 1, width);
}

class Diagram {
 public:
  Diagram(const std::vector<Answers>& all, const Style& style) : style_(style) {
    int bins = 1;
    for (const Answers& answers : all) {
      bins = std::max(bins, answers.measures->bins_size());
      for (const Bin& bin : answers.measures->bins())
        images_width_ = std::max(images_width_, DisplayWidth(FormatCount(bin.images())));
    }
    digits_ = bins <= 20 ? 2 : bins <= 200 ? 3 : 4;
    bin_width_ = std::max(DisplayWidth("CONFIDENCE"), 2 * (digits_ + 2) + 1);
  }

  // Columns of the bar where `count` diagrams stand beside one another.
  int BarWidth(int count) const {
    const int free = style_.columns - bin_width_ - count * (3 * kGap + Fixed());
    return std::min(kWidestBar, free / count);
  }

  std::string Render(const std::vector<Answers>& all, int bar) const {
    const std::string gap(kGap, ' ');
    std::string header = PadRight("CONFIDENCE", bin_width_);
    std::string names = PadRight("", bin_width_);
    int bins = 0;
    for (const Answers& answers : all) {
      header += gap + PadLeft("IMAGES", images_width_) + gap +
                PadLeft("ACCURACY", kAccuracyColumns) + gap + PadRight("", bar);
      names += gap + PadRight(answers.name, Fixed() + 2 * kGap + bar);
      bins = std::max(bins, answers.measures->bins_size());
    }
    header.erase(header.find_last_not_of(' ') + 1);
    std::string text = Line(names) + Paint(header, Color::kBold, style_) + "\n";
    for (int i = 0; i < bins; ++i) {
      std::string line;
      bool has_images = false;
      for (const Answers& answers : all) {
        if (i >= answers.measures->bins_size()) continue;
        const Bin& bin = answers.measures->bins(i);
        if (line.empty()) line = PadRight(BinText(bin, digits_), bin_width_);
        line += gap + PadLeft(FormatCount(bin.images()), images_width_) + gap;
        if (bin.images() == 0) {
          line += PadRight("", kAccuracyColumns + kGap + bar);
          continue;
        }
        has_images = true;
        line += PadLeft(FormatMetric(bin.accuracy()), kAccuracyColumns) + gap +
                MarkedBar(bin.accuracy(), bin.confidence(), bar, style_);
      }
      if (has_images) text += Line(line);
    }
    return text;
  }

 private:
  int Fixed() const { return images_width_ + kAccuracyColumns; }
  static std::string Line(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
  }

  const Style& style_;
  int images_width_ = DisplayWidth("IMAGES");
  int bin_width_ = 0;
  int digits_ = 2;
};

}  // namespace

std::string ReliabilityDiagram(const std::vector<Answers>& all, const Style& style) {
  const bool has_images = std::any_of(all.begin(), all.end(), [](const Answers& answers) {
    const auto& bins = answers.measures->bins();
    return std::any_of(bins.begin(), bins.end(), [](const Bin& bin) { return bin.images() > 0; });
  });
  if (!has_images) return "";
  const Diagram diagram(all, style);
  std::string text =
      "\n" + Paragraph(std::string("Reliability: the bar is the accuracy, ") +
                           (style.unicode ? "│" : "|") +
                           " the mean confidence, where it would end if answers were as good as "
                           "they are sure",
                       style);
  const auto count = static_cast<int>(all.size());
  if (diagram.BarWidth(count) >= kNarrowestBar)
    return text + diagram.Render(all, diagram.BarWidth(count));
  const int bar = std::max(kNarrowestBar, diagram.BarWidth(1));
  for (size_t i = 0; i < all.size(); ++i)
    text += (i == 0 ? "" : "\n") + diagram.Render({all[i]}, bar);
  return text;
}

}  // namespace anneal::client
