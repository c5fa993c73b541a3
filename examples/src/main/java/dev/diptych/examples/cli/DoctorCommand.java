package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Looks at everything that must be in place, and never fails itself. */
@Command(
    name = "doctor",
    description = "Say what was loaded, what this machine has, and how to get what is missing.",
    mixinStandardHelpOptions = true,
    footer = {"", "Exit code 1 when something is missing that the library needs."})
final class DoctorCommand implements Callable<Integer> {
  private final Console console;

  @Mixin ReportOptions report;

  DoctorCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    List<Diagnosis.Finding> findings = new Diagnosis().findings();
    boolean healthy = findings.stream().allMatch(f -> f.state() != Diagnosis.State.MISSING);
    if (report.json) {
      JsonArray array = new JsonArray();
      for (Diagnosis.Finding finding : findings) {
        JsonObject one = new JsonObject();
        one.addProperty("name", finding.name());
        one.addProperty("state", finding.state().name().toLowerCase(Locale.ROOT));
        one.addProperty("found", finding.found());
        if (!finding.remedy().isEmpty()) {
          one.addProperty("remedy", finding.remedy());
        }
        array.add(one);
      }
      JsonObject json = new JsonObject();
      json.addProperty("command", "doctor");
      json.addProperty("healthy", healthy);
      json.add("findings", array);
      Report.print(console, json);
    } else {
      findings.forEach(this::print);
      console.out().println(healthy ? "Everything needed is here." : "Something is missing.");
    }
    return healthy ? 0 : 1;
  }

  private void print(Diagnosis.Finding finding) {
    String mark =
        switch (finding.state()) {
          case FINE -> "ok     ";
          case NOTE -> "note   ";
          case MISSING -> "MISSING";
        };
    String indent = "\n" + " ".repeat(32);
    console
        .out()
        .println(
            String.format(Locale.ROOT, "%s %-23s ", mark, finding.name())
                + finding.found().replace("\n", indent));
    if (!finding.remedy().isEmpty()) {
      console.out().println(" ".repeat(32) + "remedy: " + finding.remedy().replace("\n", indent));
    }
  }
}
