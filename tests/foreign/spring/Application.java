import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.BackOff;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.annotation.RetryableTopic;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.scheduling.TaskScheduler;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;
import org.springframework.util.backoff.FixedBackOff;

/**
 * A plain application of Spring, as its documentation has it: the topic PREFIX.plain with an error handler that writes dead
 * letters, PREFIX.retried with retry topics, PREFIX.typed with a deserializer that fails. A record whose value says "out of
 * stock" is refused until there is a file named by the property `stock`. What is handled goes to PREFIX.handled, as it came.
 */
@Configuration(proxyBeanMethods = false)
@EnableAutoConfiguration
public class Application {
    public static class OutOfStock extends RuntimeException {
        OutOfStock(String text) {
            super(text);
        }
    }

    public static void main(String[] args) {
        SpringApplication.run(Application.class, args);
    }

    @Bean
    DefaultErrorHandler errorHandler(KafkaTemplate<byte[], byte[]> template) {
        return new DefaultErrorHandler(new DeadLetterPublishingRecoverer(template), new FixedBackOff(0, 2));
    }

    @Bean
    TaskScheduler taskScheduler() {
        return new ThreadPoolTaskScheduler();
    }

    @Bean
    Listeners listeners(KafkaTemplate<byte[], byte[]> template) {
        return new Listeners(template);
    }

    public static class Listeners {
        private final KafkaTemplate<byte[], byte[]> template;

        Listeners(KafkaTemplate<byte[], byte[]> template) {
            this.template = template;
        }

        @KafkaListener(topics = "${prefix}.plain", groupId = "${prefix}.plain.group")
        public void plain(ConsumerRecord<byte[], byte[]> record) {
            handle(record);
        }

        @RetryableTopic(attempts = "3", backOff = @BackOff(delay = 100, multiplier = 2))
        @KafkaListener(topics = "${prefix}.retried", groupId = "${prefix}.retried.group")
        public void retried(ConsumerRecord<byte[], byte[]> record) {
            handle(record);
        }

        @KafkaListener(topics = "${prefix}.typed", groupId = "${prefix}.typed.group", properties = {
            "value.deserializer=org.springframework.kafka.support.serializer.ErrorHandlingDeserializer",
            "spring.deserializer.value.delegate.class=org.apache.kafka.common.serialization.IntegerDeserializer"})
        public void typed(ConsumerRecord<byte[], Integer> record) {
            System.out.println("call " + record.topic() + " " + record.value());
        }

        private void handle(ConsumerRecord<byte[], byte[]> record) {
            String value = record.value() == null ? "" : new String(record.value(), StandardCharsets.UTF_8);
            System.out.println("call " + record.topic() + " " + value);
            if (value.contains("out of stock") && !Files.exists(Path.of(System.getProperty("stock"))))
                throw new OutOfStock("no stock for Ação");
            template.send(System.getProperty("prefix") + ".handled", record.key(), record.value());
        }
    }
}
